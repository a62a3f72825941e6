"""What goes wrong while a stack is made; what a request cannot have is `lambent.errors`' StackError."""

from __future__ import annotations

from lambent.errors import StackError

__all__ = ["ResourceError", "StackError"]


class ResourceError(Exception):
    """A resource could not be made, changed or deleted; the stack's events show the message."""
