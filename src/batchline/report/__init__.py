"""Say results to people as text and to programs as JSON; the only place that rounds."""
