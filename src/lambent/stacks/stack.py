"""A stack as it is kept: what it was asked to be, what it is made of, and what has happened to it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from lambent.stacks.plan import Change, Made

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
    resource_states: dict[str, Event] = {}
    """The latest event of each resource."""
    outputs: list[Output] = []
    events: list[Event] = []
    """Oldest first."""
    change_sets: dict[str, ChangeSet] = {}
    access_key: str = ""
    """Of whoever asked last: the stack's calls to this server are signed with it."""

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
