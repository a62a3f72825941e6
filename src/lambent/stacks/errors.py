"""What can be wrong with a template or a change, as CloudFormation words it."""

from __future__ import annotations


class StackError(Exception):
    """An answer of CloudFormation's API: an error code and a message."""

    def __init__(self, message: str, code: str = "ValidationError", status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status


class ResourceError(Exception):
    """A resource could not be made, changed or deleted; the stack's events show the message."""
