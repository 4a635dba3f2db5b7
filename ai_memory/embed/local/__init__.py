"""Embedders on this machine."""
