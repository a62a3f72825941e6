"""The account's limits and use. The rules are in `control/account.py`."""

from __future__ import annotations

from lambent.api.context import Context
from lambent.api.operation import Operation
from lambent.control import answers, requests
from lambent.control.names import Scope


async def get_account_settings(
    ctx: Context,
    req: requests.GetAccountSettings,  # noqa: ARG001  it asks nothing
) -> answers.AccountAnswer:
    return await ctx.services.account_settings.get(Scope(ctx.account, ctx.region))


OPERATIONS = (Operation("GetAccountSettings", requests.GetAccountSettings, get_account_settings),)
