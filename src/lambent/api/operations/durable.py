"""Durable executions: refused, every operation by one sentence.

A durable function is replayed from checkpoints that AWS keeps for up to a year. Here an invoke runs
once and to its end, so no execution of that kind can exist; saying so beats answering that a given
one was not found. CreateFunction refuses DurableConfig likewise (`control/configuration.py`).
"""

from __future__ import annotations

from typing import Final, NoReturn

import msgspec

from lambent.api.context import Context
from lambent.api.operation import Operation
from lambent.errors import InvalidParameterValue

WHY: Final = (
    "Durable executions are not available in lambent: an invoke runs once, to its end, and no "
    "steps of it are kept."
)

REFUSED: Final = (
    "CheckpointDurableExecution",
    "DeleteDurableExecution",
    "GetDurableExecution",
    "GetDurableExecutionHistory",
    "GetDurableExecutionState",
    "ListDurableExecutionsByFunction",
    "PauseDurableExecution",
    "ResumeDurableExecution",
    "SendDurableExecutionCallbackFailure",
    "SendDurableExecutionCallbackHeartbeat",
    "SendDurableExecutionCallbackSuccess",
    "StopDurableExecution",
)


class Anything(msgspec.Struct):
    """The model has checked it; nothing of it matters."""


async def refuse(_ctx: Context, _req: Anything) -> NoReturn:
    raise InvalidParameterValue(WHY)


OPERATIONS = tuple(Operation(name, Anything, refuse) for name in REFUSED)
