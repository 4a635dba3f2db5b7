"""What a vector is: its space, its target, its BLOB and the checks it must pass."""
