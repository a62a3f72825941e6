"""botocore's service models as the records that the front door walks.

The JSON of the installed botocore is read directly: botocore's own loader costs 0.3 s of imports
at start, this about 20 ms. Nothing here decides anything; `route`, `parse`, `validate` and
`serialise` do, and `constraints` holds where AWS's wording differs from the model.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import msgspec

from lambent.errors import ConfigurationError

API_VERSION: Final = "2015-03-31"

Value = Any
"""A parsed member: str, int, float, bool, bytes, datetime, list or dict; the model says which."""


@dataclass(slots=True, eq=False)
class Shape:
    """One shape; `minimum` and `maximum` are of the value for numbers, of the length otherwise."""

    name: str
    kind: str
    members: dict[str, Member] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    payload: str | None = None
    """The member that is the whole body, of a request's or answer's top structure."""
    element: Shape | None = None
    """Of a list; of a map it is the value."""
    key: Shape | None = None
    minimum: int | float | None = None
    maximum: int | float | None = None
    pattern: str | None = None
    enum: tuple[str, ...] | None = None
    sensitive: bool = False
    flattened: bool = False
    """In XML: a list without an element around its items."""
    item_name: str = "member"
    """In XML: the element of a list's item."""


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """A member of a structure, and where it travels."""

    name: str
    shape: Shape
    location: str
    """`body`, `uri`, `querystring`, `header`, `headers` (all of a prefix) or `statusCode`."""
    wire_name: str
    path_name: str
    """How validation texts spell it: first letter lower-case."""


@dataclass(frozen=True, slots=True, eq=False)
class OperationModel:
    """One of AWS's operations."""

    name: str
    method: str
    path: str
    """The URI template without its query."""
    query: tuple[tuple[str, str], ...]
    """What the query must hold; tells apart operations that share a path."""
    status: int
    input: Shape
    output: Shape | None

    def __post_init__(self) -> None:
        """Refuse what the walkers do not know, at start rather than in a request."""
        for member in self.input.members.values():
            if member.location not in {"body", "uri", "querystring", "header", "headers"}:
                raise ConfigurationError(
                    f"botocore's {self.name} uses {member.location} members",
                    code="INSTALLATION_BROKEN",
                )


@dataclass(frozen=True, slots=True, eq=False)
class ServiceModel:
    """The whole of one service."""

    operations: dict[str, OperationModel]
    message_keys: dict[str, str]
    """Error code → how its body spells the message."""


@cache
def load(service: str = "lambda", version: str = API_VERSION) -> ServiceModel:
    """The model of the installed botocore; the same object each time."""
    return build(_read(service, version))


def build(document: dict[str, Any]) -> ServiceModel:
    """Records from the model's JSON."""
    shapes = _Shapes(document["shapes"])
    operations = {
        name: _operation(name, record, shapes) for name, record in document["operations"].items()
    }
    message_keys = {
        name: next((m for m in record["members"] if m.lower() == "message"), "message")
        for name, record in document["shapes"].items()
        if record.get("exception")
    }
    return ServiceModel(operations, message_keys)


def _read(service: str, version: str) -> dict[str, Any]:
    spec = find_spec("botocore")
    for root in (spec and spec.submodule_search_locations) or ():
        folder = Path(root, "data", service, version)
        for name, opener in (("service-2.json.gz", gzip.open), ("service-2.json", open)):
            if (folder / name).is_file():
                with opener(folder / name, "rb") as file:
                    document: dict[str, Any] = msgspec.json.decode(file.read())
                    return document
    raise ConfigurationError(
        "botocore's Lambda model was not found",
        code="INSTALLATION_BROKEN",
        fix="pip install botocore",
    )


def _operation(name: str, record: dict[str, Any], shapes: _Shapes) -> OperationModel:
    path, _, query = record["http"]["requestUri"].partition("?")
    pairs = tuple(tuple(pair.partition("=")[::2]) for pair in query.split("&") if pair)
    return OperationModel(
        name=name,
        method=record["http"]["method"],
        path=path,
        query=pairs,
        status=record["http"].get("responseCode", 200),
        input=shapes[record["input"]["shape"]] if "input" in record else Shape(name, "structure"),
        output=shapes[record["output"]["shape"]] if "output" in record else None,
    )


class _Shapes:
    """Makes each shape once, whatever refers to it."""

    def __init__(self, records: dict[str, dict[str, Any]]) -> None:
        self._records = records
        self._made: dict[str, Shape] = {}

    def __getitem__(self, name: str) -> Shape:
        if name not in self._made:
            record = self._records[name]
            shape = self._made[name] = Shape(
                name=name,
                kind=record["type"],
                required=frozenset(record.get("required", ())),
                payload=record.get("payload"),
                minimum=record.get("min"),
                maximum=record.get("max"),
                pattern=record.get("pattern"),
                enum=tuple(record["enum"]) if "enum" in record else None,
                sensitive=record.get("sensitive", False),
                flattened=record.get("flattened", False),
            )
            self._fill(shape, record)
        return self._made[name]

    def _fill(self, shape: Shape, record: dict[str, Any]) -> None:
        """Inner shapes, after the outer one is known: a shape may hold itself."""
        if shape.kind == "list":
            shape.element = self[record["member"]["shape"]]
            shape.item_name = record["member"].get("locationName", "member")
        elif shape.kind == "map":
            shape.key = self[record["key"]["shape"]]
            shape.element = self[record["value"]["shape"]]
        for name, member in record.get("members", {}).items():
            shape.members[name] = Member(
                name=name,
                shape=self[member["shape"]],
                location=member.get("location", "body"),
                wire_name=member.get("locationName", name),
                path_name=name[0].lower() + name[1:],
            )
