"""What a run shows: what users felt, what the platform did, how much it carries."""
