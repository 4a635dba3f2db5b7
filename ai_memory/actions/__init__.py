"""One module a thing to ask for, without a terminal."""
