"""ListExports and ListImports."""

from __future__ import annotations

import msgspec

from lambent.api.cloudformation.wanted import stacks_of
from lambent.api.context import Context
from lambent.api.operation import Answer, Operation
from lambent.errors import StackError


class ListExports(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    next_token: str | None = None


class ListImports(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    export_name: str
    next_token: str | None = None


async def list_exports(ctx: Context, req: ListExports) -> Answer:  # noqa: ARG001  one page
    found = stacks_of(ctx).book.exports(ctx.account, ctx.region)
    return {
        "Exports": [
            {"ExportingStackId": stack_id, "Name": name, "Value": value}
            for name, (value, stack_id) in sorted(found.items())
        ]
    }


async def list_imports(ctx: Context, req: ListImports) -> Answer:
    found = stacks_of(ctx).book.importers(ctx.account, ctx.region, req.export_name)
    if not found:
        raise StackError(f"Export '{req.export_name}' is not imported by any stack.")
    return {"Imports": found}


OPERATIONS = (
    Operation("ListExports", ListExports, list_exports),
    Operation("ListImports", ListImports, list_imports),
)
