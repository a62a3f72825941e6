"""The state table: what is absent is illegal."""

from __future__ import annotations

import itertools

import pytest

from lambent.control import state
from lambent.control.state import NEXT, Event, Life
from lambent.errors import ResourceConflict
from lambent.store.records import Code, Configuration, Version

ARN = "arn:aws:lambda:us-east-1:123456789012:function:fn"
VERSION = Version(
    number=0,
    configuration=Configuration(runtime="python3.12", handler="a.b", role="r"),
    code=Code(sha256="00", size=1),
    revision_id="r1",
    generation="g1",
    modified_ms=0,
    state="Active",
    update_status="Successful",
)
STATES = ("Pending", "Active", "Inactive", "Failed")
STATUSES = (None, "InProgress", "Successful", "Failed")


def version_in(life):
    import msgspec

    return msgspec.structs.replace(VERSION, state=life.state, update_status=life.update)


def test_everything_else_is_refused():
    for lived, event in itertools.product(itertools.product(STATES, STATUSES), Event):
        life = Life(*lived)
        if (life, event) in NEXT:
            assert state.advance(version_in(life), event, ARN) == NEXT[life, event]
        else:
            with pytest.raises(ResourceConflict):
                state.advance(version_in(life), event, ARN)


@pytest.mark.parametrize(
    ("life", "text"),
    [
        (Life("Active", "InProgress"), f"An update is in progress for resource: {ARN}"),
        (Life("Pending", None), "The function is currently in the following state: Pending"),
    ],
)
@pytest.mark.parametrize("event", [Event.UPDATE, Event.PUBLISH])
def test_the_refusals_say_why(life, text, event):
    with pytest.raises(ResourceConflict) as raised:
        state.advance(version_in(life), event, ARN)
    assert raised.value.message == f"The operation cannot be performed at this time. {text}"


def test_reasons_come_and_go():
    pending = state.pending(VERSION)
    assert (pending.state, pending.state_reason, pending.state_reason_code) == (
        "Pending",
        "The function is being created.",
        "Creating",
    )
    assert pending.update_status is None
    active = state.ready(pending, ARN, "r2")
    assert (active.state, active.state_reason, active.update_status) == (
        "Active",
        None,
        "Successful",
    )
    assert active.revision_id == "r2"
    updating = state.updating(active, ARN)
    assert (updating.state, updating.update_status) == ("Active", "InProgress")
    assert (updating.update_reason, updating.update_reason_code) == (
        "The function is being created.",
        "Creating",
    )
    assert state.ready(updating, ARN, "r3").update_reason is None


def test_failures():
    broken = state.failed(state.pending(VERSION), ARN, "r2", "gone")
    assert (broken.state, broken.state_reason, broken.state_reason_code) == (
        "Failed",
        "gone",
        "InternalError",
    )
    half = state.failed(state.updating(VERSION, ARN), ARN, "r2", "gone")
    assert (half.state, half.state_reason, half.update_status) == ("Active", None, "Failed")
    assert half.update_reason == "gone"
    mended = state.updating(broken, ARN)
    assert state.ready(mended, ARN, "r3").state == "Active"


def test_idle_and_back():
    idle = state.reclaimed(VERSION, ARN, "r2")
    assert (idle.state, idle.state_reason_code, idle.revision_id) == ("Inactive", "Idle", "r2")
    assert state.may_idle(idle)
    woken = state.restoring(idle, ARN)
    assert (woken.state, woken.state_reason_code) == ("Pending", state.RESTORING)
    assert not state.may_idle(woken)
    assert state.ready(woken, ARN, "r3").state == "Active"
    lost = state.failed(woken, ARN, "r3", "no image", "ImageDeleted")
    assert (lost.state, lost.update_status) == ("Inactive", "Successful")
    assert (lost.state_reason, lost.state_reason_code) == ("no image", "ImageDeleted")
