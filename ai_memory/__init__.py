"""ai-memory: long-term memory of AI agents in one SQLite file, and the migration of its vectors."""

__version__ = "0.1.0"
