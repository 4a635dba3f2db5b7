"""What a person or a program sees: results, messages, progress."""
