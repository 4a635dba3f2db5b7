"""The store in a PostgreSQL database, with pgvector or without; the only user of psycopg."""
