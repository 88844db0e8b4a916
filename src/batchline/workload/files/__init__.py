"""Workload files: what they may hold, and how they become records."""
