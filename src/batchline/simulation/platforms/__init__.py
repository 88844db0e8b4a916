"""What requests are sent to: replicas of GPUs, wafers and LPUs, and token services."""
