"""The migration job: plan, sweep, isolate, census, progress."""
