"""What a run is to do, before the first request."""
