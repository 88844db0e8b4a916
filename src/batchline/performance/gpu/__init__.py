"""GPUs: the time of every operation of a step, and what requests get of it."""
