"""The seam between the store and the registries."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lambent_inference.models.package import Package

Open = Callable[[], AbstractContextManager[Package]]


@dataclass(frozen=True, slots=True)
class Found:
    """A package that a registry has: under which id, and how to hold it while it is loaded."""

    model_id: str
    held: Open
    size_bytes: int = 0
    forget: Callable[[], None] | None = None
    """Frees what was cached of it; None where the files are the owner's."""


class Registry(Protocol):
    """Blocking; called on threads."""

    uri: str

    def find(self, model_id: str, api_key: str | None) -> Found | None:
        """The package that a name stands for, or None; raises what `errors.py` has for the rest."""
        ...


def local_path(uri: str) -> Path:
    """The path of `file:///models` (or of a plain path)."""
    from urllib.parse import unquote, urlsplit

    return Path(unquote(urlsplit(uri).path)) if uri.startswith("file:") else Path(uri)
