"""Who embeds beside others: threads, processes."""
