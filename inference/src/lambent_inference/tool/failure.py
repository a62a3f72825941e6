"""An expected failure of the tool, with what to do about it."""

from __future__ import annotations


class Failure(Exception):  # noqa: N818  a condition, as in errors.py
    def __init__(self, code: str, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.fix = fix
