"""How an embedder is asked: in requests of which size, how many at once, how often again."""
