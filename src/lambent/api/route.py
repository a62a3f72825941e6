"""Method and path to operation: a tree of path segments, built once from the model.

A path is split before it is percent-decoded, so that `%2F` in an ARN stays inside its segment.
Operations that share method and path (`ListLayers` and `GetLayerVersionByArn`) are told apart by
what the model's template demands of the query. Next: `parse`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from lambent.api.model import OperationModel, ServiceModel
from lambent.errors import UnknownOperation


@dataclass(frozen=True, slots=True)
class Match:
    """What a request asks for; `labels` are the decoded path parameters."""

    operation: OperationModel
    labels: dict[str, str]
    query: list[tuple[str, str]]


@dataclass(slots=True)
class _Node:
    literal: dict[str, _Node] = field(default_factory=dict)
    label: _Node | None = None
    operations: dict[str, list[tuple[OperationModel, tuple[str, ...]]]] = field(
        default_factory=dict
    )
    """By method; each with the names of the labels on its way; the more demanding query first."""


class Router:
    """All operations of the model."""

    def __init__(self, model: ServiceModel) -> None:
        self._root = _Node()
        for operation in model.operations.values():
            self._add(operation)

    def match(self, method: str, path: str, query: bytes) -> Match:
        """The operation; raises `UnknownOperation` as AWS answers for anything else.

        `path` is still percent-encoded.
        """
        node, values = self._root, []
        for segment in path.rstrip("/").split("/")[1:]:
            following = node.literal.get(segment)
            if following is None:
                following = node.label if segment else None
                values.append(unquote(segment))
            if following is None:
                raise _unknown(method, path)
            node = following
        pairs = parse_qsl(query.decode("utf-8", "replace"), keep_blank_values=True) if query else []
        for operation, names in node.operations.get(method, ()):
            if all(pair in pairs for pair in operation.query):
                return Match(operation, dict(zip(names, values, strict=True)), pairs)
        raise _unknown(method, path)

    def _add(self, operation: OperationModel) -> None:
        node, names = self._root, []
        for segment in operation.path.rstrip("/").split("/")[1:]:
            if segment.startswith("{"):
                names.append(segment.strip("{}"))
                node.label = node.label or _Node()
                node = node.label
            else:
                node = node.literal.setdefault(segment, _Node())
        rivals = node.operations.setdefault(operation.method, [])
        rivals.append((operation, tuple(names)))
        rivals.sort(key=lambda rival: -len(rival[0].query))


def _unknown(method: str, path: str) -> UnknownOperation:
    return UnknownOperation(f"No operation of AWS Lambda is {method} {path[:200]}")
