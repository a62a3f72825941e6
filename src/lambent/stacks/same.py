"""Whether what is wanted is what a stack already is, its resources aside."""

from __future__ import annotations

from typing import Any

from lambent.stacks import document
from lambent.stacks.stack import Stack


def same(before: Stack, after: Stack) -> bool:
    """Whether nothing changes but, perhaps, resources."""
    return (
        before.tags == after.tags
        and before.parameters == after.parameters
        and _outputs_of(before.template) == _outputs_of(after.template)
    )


def _outputs_of(text: str) -> Any:
    return document.read(text).outputs if text else {}
