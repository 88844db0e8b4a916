"""Which constants fit what was measured, and how far off predictions are."""
