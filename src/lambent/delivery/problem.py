"""What went wrong, why, and what to do: the one exception of the delivery tool and the CLI.

Rules raise it; `cli/output.py` alone prints it, as `error[CODE] … / why / fix` or as JSON.
"""

from __future__ import annotations

from lambent.errors import LambentError

FAILED = 1
USAGE = 2
NEEDS_YES = 3
NOT_AUTHORISED = 4
FUNCTION_FAILED = 5


class Problem(LambentError):  # noqa: N818  what the user reads is a problem with a fix
    """An expected failure. `code` is stable, in capitals or AWS's own; `exit_code` is UX.md's."""

    def __init__(
        self, code: str, message: str, *, why: str = "", fix: str = "", exit_code: int = FAILED
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.why = why
        self.fix = fix
        self.exit_code = exit_code
