"""What is kept of a resource-based policy: its statements as documents, and its revision.

Part of the document of whatever it belongs to (a layer version, a function's qualifier); the rules
are in `control/policies.py`.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """At least one statement; a policy without any does not exist."""

    revision_id: str
    """New with every change."""
    statements: tuple[dict[str, Any], ...]
    """As AWS shows them, in the order in which they were added."""
