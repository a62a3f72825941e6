"""The one HTTP/1.1 server; it knows nothing of Lambda."""
