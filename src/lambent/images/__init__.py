"""Container images without Docker: read, fetched, unpacked, built."""
