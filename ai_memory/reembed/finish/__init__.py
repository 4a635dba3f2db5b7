"""What follows on runs: undoing them, and dropping what was kept for that."""
