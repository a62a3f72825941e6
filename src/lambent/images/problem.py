"""What goes wrong with an image, as one exception with AWS's StateReasonCode.

It never reaches a client as it is: `control.image_store` makes a refusal or a state of it.
"""

from __future__ import annotations


class ImageError(Exception):
    """An image cannot be had, or is not one that can run; the text is shown as StateReason."""

    def __init__(self, message: str, code: str = "InvalidImage") -> None:
        super().__init__(message)
        self.code = code
        """`InvalidImage`, `ImageAccessDenied` or `ImageDeleted`, as on AWS."""
