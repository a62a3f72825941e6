"""Event sources: what polls them, and hands what they hold to functions in batches."""
