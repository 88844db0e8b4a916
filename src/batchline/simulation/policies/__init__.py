"""How requests are spread over replicas, one policy a file; see `routing`."""
