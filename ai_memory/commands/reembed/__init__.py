"""One module a verb of `reembed`."""
