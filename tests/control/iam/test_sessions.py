"""Session tokens: known again by the key that sealed them, and by no other."""

import base64
import stat

import pytest

from lambent.clock import ManualClock
from lambent.control.iam.keyring import KeyRing
from lambent.control.iam.sessions import KEY_BYTES, Sessions, key_of
from lambent.errors import ExpiredToken, UnrecognizedClient

ROLE = "arn:aws:iam::123456789012:role/worker"
SESSIONS = Sessions(b"a" * KEY_BYTES)


def test_a_token_is_read_with_its_key_alone():
    issued = SESSIONS.issue(ROLE, "f", 5)
    session, secret = SESSIONS.read(issued.access_key_id, issued.session_token)
    assert (session.role_arn, session.name, session.ends_ms) == (ROLE, "f", 5)
    assert secret == issued.secret_access_key
    other = Sessions(b"b" * KEY_BYTES)
    assert other.read(issued.access_key_id, issued.session_token) is None
    assert SESSIONS.read("ASIAAAAAAAAAAAAAAAAA", issued.session_token) is None


def test_no_changed_byte_survives():
    issued = SESSIONS.issue(ROLE, "f", 5)
    sealed = base64.b64decode(issued.session_token)
    for at in range(len(sealed)):
        forged = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        assert SESSIONS.read(issued.access_key_id, base64.b64encode(forged).decode()) is None


@pytest.mark.parametrize("token", ["", "x", "TDE=", "é", "A" * 100_000])
def test_what_is_no_token(token):
    assert SESSIONS.read("ASIA", token) is None


def test_a_session_ends():
    clock = ManualClock(start_ms=1_000)
    ring = KeyRing({}, sessions=SESSIONS, clock=clock)
    late, over = SESSIONS.issue(ROLE, "f", 1_001), SESSIONS.issue(ROLE, "f", 1_000)
    caller = ring.find(late.access_key_id, late.session_token).caller
    assert caller.principal.arn == "arn:aws:sts::123456789012:assumed-role/worker/f"
    assert caller.principal.role_arn == ROLE
    assert caller.grants.policies == ()
    with pytest.raises(ExpiredToken):
        ring.find(over.access_key_id, over.session_token)
    with pytest.raises(UnrecognizedClient):
        ring.find(late.access_key_id, None)


def test_the_key_is_made_once_and_for_the_owner_alone(tmp_path):
    path = tmp_path / "keys" / "session"
    key = key_of(path)
    assert len(key) == KEY_BYTES
    assert key_of(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["session"]
