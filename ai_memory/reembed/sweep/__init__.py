"""The loop of a run: reads rows, asks for vectors, commits page after page."""
