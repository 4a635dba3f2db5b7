"""What can be told of a run without changing anything."""
