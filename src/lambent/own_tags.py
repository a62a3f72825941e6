"""Tags of a function that mean something to a lambent server, and nothing to AWS.

What AWS has no member for travels as a tag: any AWS client can set it, and AWS itself keeps it without
looking. The delivery tool sets them from `Metadata: lambent`.
"""

from __future__ import annotations

from typing import Final, Literal

SNAPSHOTS: Final = "lambent:snapshots"
"""One of `Snapshots`, for this function, whatever the server's setting says."""
SAMPLE_EVENT: Final = "lambent:sample-event"
"""A JSON file in the package that holds an event; a snapshot's trial runs it."""

Snapshots = Literal["published", "latest", "all"]
"""Which versions are restored from snapshots: those that AWS restores; `$LATEST` too; every one."""
