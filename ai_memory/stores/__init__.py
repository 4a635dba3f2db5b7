"""Where memories are kept: values for all stores, and the door to one of them."""
