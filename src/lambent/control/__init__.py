"""What exists, and the rules about it: no HTTP, no SQL."""
