"""One served operation: its AWS name, the record its request becomes, and what answers it.

A resource module under `operations/` ends with `OPERATIONS = (Operation(...), ...)`; the registry
in `operations/__init__.py` joins them. A request arrives parsed and validated against the model;
`msgspec.convert` makes it the request record, whose fields are renamed to AWS's spelling:

    class GetFunction(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
        function_name: str
        qualifier: str | None = None

    async def get_function(ctx: Context, req: GetFunction) -> FunctionResponse: ...

    OPERATIONS = (Operation("GetFunction", GetFunction, get_function),)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from lambent.api.context import Context

Answer: TypeAlias = msgspec.Struct | Mapping[str, Any] | None
"""Members by AWS's names (a Struct through its `rename`); None and UNSET are left out."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """Instead of an answer: one that comes in parts, until it ends or the client leaves."""

    content_type: bytes
    parts: AsyncIterator[bytes]
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """A Content-Length among them frames the answer."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation that this version serves."""

    name: str
    request_type: type[msgspec.Struct]
    call: Callable[[Context, Any], Awaitable[Answer | Streamed]]
    status: int | None = None
    """Instead of the model's status code."""
