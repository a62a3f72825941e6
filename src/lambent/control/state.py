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


class Life(NamedTuple):
    state: State
    update: UpdateStatus | None


_NEW: Final = Life("Pending", None)
_SERVING: Final = Life("Active", "Successful")
_UPDATING: Final = Life("Active", "InProgress")
_UPDATE_FAILED: Final = Life("Active", "Failed")
_BROKEN: Final = Life("Failed", "Failed")

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
}

# AWS says this for updates too, although nothing is being created then.
_REASON: Final = ("The function is being created.", "Creating")


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
    return msgspec.structs.replace(_with_life(version, life), revision_id=revision_id)


def failed(
    version: Version, arn: str, revision_id: str, reason: str, code: str = "InternalError"
) -> Version:
    """The version when it cannot serve."""
    life = advance(version, Event.FAIL, arn)
    broken = life.state == "Failed"
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
