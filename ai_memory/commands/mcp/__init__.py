"""`mcp`: the server for agents; the tools know nothing of the protocol, and `server` alone of its library."""
