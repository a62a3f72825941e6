"""AWS's query protocol: a form in, as the model says.

`Action` names the operation; `Parameters.member.1.ParameterKey=…` is a list of structures,
`Tags.entry.1.key=…` a map. (AWS documentation, "AWS query protocol"; botocore's serialiser is the
oracle of the tests.)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from lambent.api.model import OperationModel, Shape, Value
from lambent.api.route import Match
from lambent.errors import StackError, UnknownOperation

Tree = dict[str, Any]
"""A form's names, split at their dots."""

MAX_FIELDS = 10_000


def form(body: bytes) -> dict[str, str]:
    """Raises `StackError` for what is no form."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise StackError("The request body is not a form") from None
    return dict(pairs)


def operation_of(operations: Mapping[str, OperationModel], body: bytes) -> Match:
    """Which operation a form asks for."""
    action = form(body).get("Action", "")
    operation = operations.get(action)
    if operation is None:
        raise UnknownOperation(f"Could not find operation {action[:200]}")
    return Match(operation, {}, [])


def parse(match: Match, header: Any, body: bytes) -> dict[str, Value]:  # noqa: ARG001  a Parse
    """Members by AWS's names."""
    tree: Tree = {}
    for name, text in form(body).items():
        _plant(tree, name.split("."), text)
    found = _read(match.operation.input, tree)
    assert isinstance(found, dict)
    return found


def _plant(tree: Tree, path: list[str], text: str) -> None:
    for part in path[:-1]:
        branch = tree.setdefault(part, {})
        if not isinstance(branch, dict):
            return  # `A=1&A.B=2` means nothing
        tree = branch
    tree.setdefault(path[-1], text)


def _read(shape: Shape, found: Any) -> Value:
    if shape.kind == "structure":
        return _structure(shape, found if isinstance(found, dict) else {})
    if shape.kind == "list":
        assert shape.element is not None
        return [_read(shape.element, item) for item in _numbered(found, "member")]
    if shape.kind == "map":
        assert shape.element is not None
        entries = _numbered(found, "entry")
        return {str(one.get("key")): _read(shape.element, one.get("value")) for one in entries}
    return _scalar(shape, found)


def _structure(shape: Shape, found: Tree) -> dict[str, Value]:
    return {
        member.name: _read(member.shape, found[member.wire_name])
        for member in shape.members.values()
        if member.wire_name in found
    }


def _numbered(found: Any, name: str) -> list[Any]:
    """`X.member.1`, `X.member.2`, … in order; an empty list comes as `X=`."""
    if not isinstance(found, dict):
        return []
    items = found.get(name, {})
    if not isinstance(items, dict):
        return []
    return [items[key] for key in sorted(items, key=lambda key: (len(key), key))]


def _scalar(shape: Shape, found: Any) -> Value:
    text = found if isinstance(found, str) else ""
    if shape.kind == "boolean":
        return text.lower() == "true"
    if shape.kind in ("integer", "long"):
        try:
            return int(text)
        except ValueError:
            raise StackError(f"{text[:100]!r} is not a number") from None
    return text
