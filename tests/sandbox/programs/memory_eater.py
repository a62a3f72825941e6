"""Memory ends at the limit: the kernel kills the eater, or without cgroups it gets a MemoryError."""

eaten = []
try:
    while len(eaten) < 512:
        eaten.append(bytearray(b"x" * 1048576))
except MemoryError:
    eaten.clear()
    raise SystemExit(12) from None
