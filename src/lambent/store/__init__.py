"""Where it is kept: SQLite and content-addressed files."""
