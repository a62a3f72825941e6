"""What goes wrong with an image, as one exception with AWS's StateReasonCode."""

from __future__ import annotations

from lambent.errors import LambentError


class ImageError(LambentError):
    """An image cannot be had, or is not one that can run; the text is shown as StateReason."""

    def __init__(self, message: str, code: str = "InvalidImage") -> None:
        super().__init__(message)
        self.code = code
        """`InvalidImage`, `ImageAccessDenied` or `ImageDeleted`, as on AWS."""
