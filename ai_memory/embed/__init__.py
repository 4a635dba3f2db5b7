"""From texts to vectors; knows no storage."""
