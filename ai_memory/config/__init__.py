"""What the invocation is configured to do; each field says where it comes from."""
