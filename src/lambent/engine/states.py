"""The life of an execution environment, as a table in which everything absent is illegal.

    NEW → INIT → IDLE ⇄ RUNNING → RETURNING → IDLE      (the good life)
    INIT fails → UNREADY → (an invoke comes) REINIT → RUNNING
    INIT → RESTORING → IDLE                             (with SnapStart: what follows the snapshot)
    RUNNING → STREAMING → RETURNING                     (an answer in parts)
    RUNNING or REINIT ends badly → RESETTING → INIT again, in the same sandbox
    anything → CLOSED

Both transports feed it: the channel's RESPONSE counts as a response and the call for the next
invoke at once, the Runtime API's are two requests. (AWS Lambda developer guide, "Lambda
execution environment lifecycle".)
"""

from __future__ import annotations

import enum
from typing import Final

from lambent.errors import LambentError


class State(enum.Enum):
    """Where an environment is in its life."""

    __hash__ = (
        object.__hash__
    )  # Enum's own is written in Python, and the table is asked all the time

    NEW = "new"
    INIT = "init"
    RESTORING = "restoring"
    """With SnapStart: from where a snapshot is, or would be taken, until it is ready."""
    IDLE = "idle"
    RUNNING = "running"
    STREAMING = "streaming"
    """It answers in parts."""
    RETURNING = "returning"
    """It has answered, and has not yet asked for the next invoke."""
    UNREADY = "unready"
    """Init failed; Lambda tries again inside the first invoke."""
    REINIT = "reinit"
    """Init inside an invoke."""
    RESETTING = "resetting"
    CLOSED = "closed"


class Event(enum.Enum):
    """What happens to an environment."""

    __hash__ = object.__hash__

    START = "start"
    READY = "ready"
    """Init is over: READY on the channel, the first `next` on the Runtime API."""
    SNAPSHOT = "restore/next"
    """All before the snapshot is done: a fork begins here, a started runtime asks to be restored."""
    INIT_FAILED = "init failed"
    """Init error, exit or deadline before READY."""
    INVOKE = "invoke"
    ANSWER = "answer"
    """Response or error for the running invoke."""
    STREAM = "stream"
    """The answer begins; it will come in parts."""
    CHUNK = "chunk"
    NEXT = "next"
    BREAK = "break"
    """Exit, deadline or protocol error while running."""
    CLOSE = "close"


NEXT: Final[dict[tuple[State, Event], State]] = {
    (State.NEW, Event.START): State.INIT,
    (State.INIT, Event.READY): State.IDLE,
    (State.INIT, Event.SNAPSHOT): State.RESTORING,
    (State.RESTORING, Event.READY): State.IDLE,
    (State.RESTORING, Event.START): State.INIT,  # its template is gone: from another
    (State.INIT, Event.INIT_FAILED): State.UNREADY,
    (State.IDLE, Event.INVOKE): State.RUNNING,
    (State.IDLE, Event.BREAK): State.RESETTING,
    (State.RUNNING, Event.ANSWER): State.RETURNING,
    (State.RUNNING, Event.BREAK): State.RESETTING,
    (State.RUNNING, Event.STREAM): State.STREAMING,
    (State.STREAMING, Event.CHUNK): State.STREAMING,
    (State.STREAMING, Event.ANSWER): State.RETURNING,
    (State.STREAMING, Event.BREAK): State.RESETTING,
    (State.RETURNING, Event.NEXT): State.IDLE,
    (State.RETURNING, Event.BREAK): State.RESETTING,
    (State.UNREADY, Event.INVOKE): State.REINIT,
    (State.REINIT, Event.READY): State.RUNNING,
    (State.REINIT, Event.SNAPSHOT): State.REINIT,
    (State.REINIT, Event.INIT_FAILED): State.RESETTING,
    (State.REINIT, Event.BREAK): State.RESETTING,
    (State.RESETTING, Event.START): State.INIT,
    **{(state, Event.CLOSE): State.CLOSED for state in State if state is not State.CLOSED},
}


class InvalidStateTransition(LambentError):  # noqa: N818  the Runtime API's own word
    """A call that its environment's state does not allow; the Runtime API answers 403."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"{event.value} is not allowed when {state.value}")
        self.state = state
        self.event = event


def advance(state: State, event: Event) -> State:
    """The state after `event`; raises `InvalidStateTransition`."""
    try:
        return NEXT[state, event]
    except KeyError:
        raise InvalidStateTransition(state, event) from None
