"""Where things are kept: the only package with SQL."""
