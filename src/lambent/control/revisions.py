"""RevisionId preconditions: change something only if nobody else has since it was read."""

from __future__ import annotations

from lambent.errors import PreconditionFailed


def check(given: str | None, current: str) -> None:
    """Raises AWS's 412 when the caller names a revision that is not the latest."""
    if given is not None and given != current:
        raise PreconditionFailed(
            "The Revision Id provided does not match the latest Revision Id. Call the "
            "GetFunction/GetAlias API to retrieve the latest Revision Id"
        )
