"""The states of a version and of its last update; what the table does not allow is refused.

A version is made Pending and becomes Active; from then on an update of `$LATEST` is InProgress
until it is Successful, while the old code and configuration go on serving (AWS developer guide,
Lambda function states). Every step gives the version a new RevisionId.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

import msgspec

from lambent.errors import ResourceConflict
from lambent.store.records import State, UpdateStatus, Version


class Event(Enum):
    """What may happen to a version."""

    UPDATE = "update"
    """UpdateFunctionCode or UpdateFunctionConfiguration; only `$LATEST` gets these."""
    PUBLISH = "publish"
    """A version is made from this one, which itself stays as it is."""
    READY = "ready"
    """What was created or changed can serve now."""
    FAIL = "fail"
    """It cannot, for instance because its code package is gone."""
    RECLAIM = "reclaim"
    """Nobody has called it for weeks: what was made ready for it is let go."""
    WAKE = "wake"
    """Somebody calls an Inactive version."""


class Life(NamedTuple):
    state: State
    update: UpdateStatus | None


_NEW: Final = Life("Pending", None)
_SERVING: Final = Life("Active", "Successful")
_UPDATING: Final = Life("Active", "InProgress")
_UPDATE_FAILED: Final = Life("Active", "Failed")
_BROKEN: Final = Life("Failed", "Failed")
_IDLE: Final = Life("Inactive", "Successful")
_IDLE_UPDATING: Final = Life("Inactive", "InProgress")
_IDLE_FAILED: Final = Life("Inactive", "Failed")
_RESTORING: Final = Life("Pending", "Successful")
_RESTORING_FAILED: Final = Life("Pending", "Failed")

NEXT: Final[dict[tuple[Life, Event], Life]] = {
    (_NEW, Event.READY): _SERVING,
    (_NEW, Event.FAIL): _BROKEN,
    (_SERVING, Event.UPDATE): _UPDATING,
    (_SERVING, Event.PUBLISH): _SERVING,
    (_SERVING, Event.FAIL): _BROKEN,
    (_UPDATING, Event.READY): _SERVING,
    (_UPDATING, Event.FAIL): _UPDATE_FAILED,
    (_UPDATE_FAILED, Event.UPDATE): _UPDATING,
    (_UPDATE_FAILED, Event.PUBLISH): _UPDATE_FAILED,
    (_UPDATE_FAILED, Event.FAIL): _BROKEN,
    (_BROKEN, Event.UPDATE): _UPDATING,
    (_SERVING, Event.RECLAIM): _IDLE,
    (_IDLE, Event.WAKE): _RESTORING,
    (_IDLE, Event.UPDATE): _IDLE_UPDATING,
    (_IDLE, Event.PUBLISH): _IDLE,
    (_IDLE, Event.FAIL): _BROKEN,
    (_RESTORING, Event.READY): _SERVING,
    (_RESTORING, Event.FAIL): _IDLE,
    (_IDLE_UPDATING, Event.READY): _SERVING,
    (_IDLE_UPDATING, Event.FAIL): _IDLE_FAILED,
    (_IDLE_FAILED, Event.UPDATE): _IDLE_UPDATING,
    (_IDLE_FAILED, Event.WAKE): _RESTORING_FAILED,
    (_RESTORING_FAILED, Event.READY): _SERVING,
    (_RESTORING_FAILED, Event.FAIL): _IDLE_FAILED,
}

# AWS says this for updates too, although nothing is being created then.
_REASON: Final = ("The function is being created.", "Creating")
_IDLE_REASON: Final = ("The function is currently idle.", "Idle")
RESTORING: Final = "Restoring"
"""StateReasonCode of a version that was Inactive, and is made ready again."""
_RESTORING_REASON: Final = ("The function is being restored.", RESTORING)


def advance(version: Version, event: Event, arn: str) -> Life:
    """The life after `event`; raises AWS's 409 where the table has no such step."""
    life = Life(version.state, version.update_status)
    try:
        return NEXT[life, event]
    except KeyError:
        raise ResourceConflict(_refusal(life, arn)) from None


def in_transition(version: Version) -> bool:
    """Whether something of ours still has to make it READY or FAIL."""
    return version.state == "Pending" or version.update_status == "InProgress"


def may_idle(version: Version) -> bool:
    """Whether it could do without what was made ready for it; an Inactive one does already."""
    life = Life(version.state, version.update_status)
    return life in {_IDLE, _IDLE_FAILED} or (life, Event.RECLAIM) in NEXT


def reclaimed(version: Version, arn: str, revision_id: str) -> Version:
    """The version once nobody has called it for long."""
    reason, code = _IDLE_REASON
    life = advance(version, Event.RECLAIM, arn)
    idle = _with_life(version, life, state_reason=reason, state_reason_code=code)
    return msgspec.structs.replace(idle, revision_id=revision_id)


def restoring(version: Version, arn: str) -> Version:
    """An Inactive version that somebody calls."""
    reason, code = _RESTORING_REASON
    life = advance(version, Event.WAKE, arn)
    return _with_life(version, life, state_reason=reason, state_reason_code=code)


def pending(version: Version) -> Version:
    """A version that is being created."""
    reason, code = _REASON
    return _with_life(version, _NEW, state_reason=reason, state_reason_code=code)


def updating(version: Version, arn: str) -> Version:
    """`$LATEST` with an update on its way; raises when there is one already."""
    reason, code = _REASON
    life = advance(version, Event.UPDATE, arn)
    return _with_life(version, life, update_reason=reason, update_reason_code=code)


def ready(version: Version, arn: str, revision_id: str) -> Version:
    """The version once its creation or update is complete."""
    life = advance(version, Event.READY, arn)
    fit = _with_life(version, life)
    return msgspec.structs.replace(fit, revision_id=revision_id, served_code=None)


def failed(
    version: Version, arn: str, revision_id: str, reason: str, code: str = "InternalError"
) -> Version:
    """The version when it cannot serve."""
    life = advance(version, Event.FAIL, arn)
    # A version that could not be restored says why, as one that could not be made.
    broken = life.state == "Failed" or version.state == "Pending"
    return msgspec.structs.replace(
        _with_life(
            version,
            life,
            state_reason=reason if broken else None,
            state_reason_code=code if broken else None,
            update_reason=reason,
            update_reason_code=code,
        ),
        revision_id=revision_id,
    )


def _with_life(
    version: Version,
    life: Life,
    *,
    state_reason: str | None = None,
    state_reason_code: str | None = None,
    update_reason: str | None = None,
    update_reason_code: str | None = None,
) -> Version:
    return msgspec.structs.replace(
        version,
        state=life.state,
        update_status=life.update,
        state_reason=state_reason,
        state_reason_code=state_reason_code,
        update_reason=update_reason,
        update_reason_code=update_reason_code,
    )


def _refusal(life: Life, arn: str) -> str:
    if life.update == "InProgress":
        return (
            "The operation cannot be performed at this time. "
            f"An update is in progress for resource: {arn}"
        )
    return (
        "The operation cannot be performed at this time. "
        f"The function is currently in the following state: {life.state}"
    )
