"""What `embed.assemble` puts together: an embedder of each kind, and the chain around it."""
