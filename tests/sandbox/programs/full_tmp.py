"""/tmp ends where EphemeralStorage ends, with ENOSPC."""

import errno
import os

limit = int(os.environ["TMP_MB"])
written = 0
try:
    with open("/tmp/fill", "wb", buffering=0) as file:
        while written < limit + 64:
            file.write(b"x" * 1048576)
            written += 1
except OSError as error:
    assert error.errno == errno.ENOSPC, error
else:
    raise SystemExit(f"{written} MB fit into {limit}")
assert written > limit * 0.8, written
os.unlink("/tmp/fill")
