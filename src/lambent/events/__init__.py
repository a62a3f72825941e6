"""Asynchronous invokes: a durable queue, retries, and one call into the engine."""
