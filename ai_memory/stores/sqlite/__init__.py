"""The store in an SQLite file; the only room with SQL and the only user of apsw."""
