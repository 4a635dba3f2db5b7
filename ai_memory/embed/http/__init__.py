"""Embedders that are asked over HTTP."""
