"""A function that failed, as the command line says it: exit code 5, with what the function said."""

from __future__ import annotations

import json
import sys

from lambent.delivery.problem import FUNCTION_FAILED, Problem


def function_failed(function: str, kind: str, body: bytes, tail: str, *, shown: bool) -> Problem:
    """Exit code 5, with what the function said; `shown` when its answer stands on the screen."""
    try:
        error = json.loads(body)
        message = f"{error.get('errorType') or kind}: {error.get('errorMessage')}"
        # Python's innermost frame is the last one, that of Node.js comes right after the message.
        where = [
            line.strip() for line in error.get("stackTrace") or (error.get("trace") or [])[1:2]
        ]
    except (ValueError, AttributeError):
        message, where = kind, []
    if not shown and tail:
        print(tail.rstrip(), file=sys.stderr)
    return Problem(
        "FUNCTION_FAILED",
        f"{function} failed: {message}",
        why=where[-1].replace("\n", " ") if where else "",
        fix=f"lambent logs {function}",
        exit_code=FUNCTION_FAILED,
    )
