"""A stack as it is kept: what it was asked to be, what it is made of, and what has happened to it."""

from __future__ import annotations

import uuid
from typing import Any, Final

import msgspec

from lambent.stacks.plan import Change, Made

STACK: Final = "AWS::CloudFormation::Stack"
"""The type of the stack itself in its events."""
EVENTS_KEPT: Final = 1_000
IN_PROGRESS: Final = "_IN_PROGRESS"
USABLE: Final = frozenset(
    {
        "CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE",
    }
)  # fmt: skip
"""States in which a stack can be updated."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One line of DescribeStackEvents."""

    event_id: str
    time_ms: int
    logical_id: str
    physical_id: str
    kind: str
    status: str
    reason: str = ""
    properties: str = ""
    token: str = ""


class Output(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    value: str
    description: str = ""
    export: str = ""


class ChangeSet(msgspec.Struct, kw_only=True):
    """A change that was planned and waits to be executed."""

    change_set_id: str
    name: str
    kind: str
    """CREATE or UPDATE."""
    created_ms: int
    template: str
    parameters: dict[str, str]
    tags: dict[str, str]
    capabilities: list[str]
    role_arn: str = ""
    notifications: list[str] = []
    changes: list[Change] = []
    status: str = "CREATE_COMPLETE"
    reason: str = ""
    execution: str = "AVAILABLE"
    description: str = ""
    on_failure: str = ""


class Stack(msgspec.Struct, kw_only=True):
    """One stack. `made` is in an order in which nothing needs what comes after it."""

    stack_id: str
    name: str
    account: str
    region: str
    status: str
    created_ms: int
    reason: str = ""
    updated_ms: int | None = None
    deleted_ms: int | None = None
    description: str = ""
    template: str = ""
    parameters: dict[str, str] = {}
    tags: dict[str, str] = {}
    capabilities: list[str] = []
    disable_rollback: bool = False
    protected: bool = False
    role_arn: str = ""
    notifications: list[str] = []
    timeout_minutes: int | None = None
    made: dict[str, Made] = {}
    leftovers: list[Made] = []
    """Replaced or removed, and not yet deleted."""
    making: dict[str, str] = {}
    """Logical id → what ends the name of a resource that is just being made. It is on disk before
    the call, so that after a kill whatever has that name is known to be this stack's."""
    unrestored: list[Made] = []
    """What a rollback should have put back, and could not."""
    resource_states: dict[str, Event] = {}
    """The latest event of each resource."""
    outputs: list[Output] = []
    events: list[Event] = []
    """Oldest first."""
    change_sets: dict[str, ChangeSet] = {}
    access_key: str = ""
    """Of whoever asked last: the stack's calls to this server are signed with it."""

    def tell(
        self, time_ms: int, logical_id: str, physical_id: str, kind: str, status: str, reason: str
    ) -> None:
        """One more event; the state of a resource is its latest."""
        token = str(uuid.uuid4())
        event = Event(
            event_id=token if kind == STACK else f"{logical_id}-{status}-{token}",
            time_ms=time_ms,
            logical_id=logical_id,
            physical_id=physical_id,
            kind=kind,
            status=status,
            reason=reason,
        )
        self.events = [*self.events[-EVENTS_KEPT + 1 :], event]
        if kind != STACK:
            self.resource_states = {**self.resource_states, logical_id: event}

    @property
    def busy(self) -> bool:
        return self.status.endswith(IN_PROGRESS) and self.status != "REVIEW_IN_PROGRESS"

    @property
    def pseudo(self) -> dict[str, Any]:
        """The pseudo parameters."""
        return {
            "AWS::AccountId": self.account,
            "AWS::Region": self.region,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": self.name,
            "AWS::StackId": self.stack_id,
            "AWS::NotificationARNs": self.notifications,
        }
