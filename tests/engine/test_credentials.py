"""The execution role's credentials: where they come from, and what happens when they end."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from moto.server import ThreadedMotoServer

from lambent.clock import SystemClock
from lambent.control.aws_clients import AwsClients
from lambent.control.iam import document
from lambent.control.iam.identities import Grants, Identities, Role
from lambent.control.iam.keyring import NOBODY, KeyRing
from lambent.control.iam.sessions import Sessions
from lambent.engine import ageing
from lambent.engine.credentials import (
    AssumedRole,
    Credentials,
    IssuedHere,
    session_name,
    source,
)
from lambent.errors import AccessDenied, ServiceException
from lambent.settings import Settings

TARGET = SimpleNamespace(
    function_name="f",
    function_arn="arn:aws:lambda:us-east-1:123456789012:function:f",
    region="us-east-1",
    role_arn="arn:aws:iam::123456789012:role/r",
)
KEY = """
import os, time
def handler(event, context):
    time.sleep(event.get("sleep", 0))
    return os.environ["AWS_ACCESS_KEY_ID"]
"""


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


def issue(settings, identities=NOBODY):
    async def main():
        clients = AwsClients(settings, {})
        try:
            clock, sessions = SystemClock(), Sessions(b"k" * 32)
            keys = KeyRing({}, identities, sessions, clock)
            made = source(clients, clock, sessions, keys, enforced=settings.auth == "sigv4")
            return made, await made.issue(TARGET)
        finally:
            await clients.close()

    return asyncio.run(main())


@pytest.mark.slow
def test_sts_gives_them_where_it_is_configured():
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        made, found = issue(Settings(aws_endpoint_url=f"http://{host}:{port}"))
    finally:
        server.stop()
    assert isinstance(made, AssumedRole)
    assert found.access_key_id.startswith("ASIA")
    assert len(found.session_token) > 100
    assert 3_000 < found.lifetime_s <= 3_600


def test_elsewhere_they_are_issued_here_and_do_not_end():
    made, first = issue(Settings())
    assert isinstance(made, IssuedHere)
    assert first.lifetime_s is None
    assert issue(Settings())[1] != first


def test_where_they_are_verified_they_end():
    verified = Settings(auth="sigv4", auth_keys={"k": "s"})
    _, found = issue(verified)
    assert found.lifetime_s == 3_600
    session, secret = Sessions(b"k" * 32).read(found.access_key_id, found.session_token)
    assert (session.role_arn, session.name) == (TARGET.role_arn, "f@lambda_function")
    assert secret == found.secret_access_key


@pytest.mark.parametrize(("service", "allowed"), [("lambda", True), ("ec2", False)])
def test_a_role_that_does_not_trust_lambda_is_not_assumed(service, allowed):
    trust = {
        "Statement": {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": f"{service}.amazonaws.com"},
        }
    }
    role = Role("r", "123456789012", Grants(), document.read("trust", trust))
    known = Identities({}, {role.arn: role})
    verified = Settings(auth="sigv4", auth_keys={"k": "s"})
    if allowed:
        issue(verified, known)
    else:
        with pytest.raises(AccessDenied, match="cannot be assumed by Lambda"):
            issue(verified, known)


def test_an_sts_that_cannot_be_reached_is_said():
    with pytest.raises(ServiceException, match="STS"):
        issue(Settings(aws_endpoint_url="http://127.0.0.1:1"))


def test_sessions_have_two_characters_at_least():
    assert session_name("f") == "f@lambda_function"
    assert session_name("fn") == "fn"


class Numbered:
    """Credentials that end soon."""

    def __init__(self, lifetime_s):
        self.issued = 0
        self.lifetime_s = lifetime_s

    async def issue(self, target):
        self.issued += 1
        return Credentials(f"KEY{self.issued}", "secret", "token", self.lifetime_s)


@pytest.mark.slow
def test_an_environment_is_given_back_before_its_credentials_end(engine):
    async def main(e):
        e.dispatcher._launcher._credentials = Numbered(2.0)
        e.function(KEY)
        assert await e.answer() == "KEY1"
        while e.dispatcher.environments():  # idle when they end
            await asyncio.sleep(0.05)
        # At work when they end: the call is answered first.
        assert await e.answer({"sleep": 1.5}) == "KEY2"
        while e.dispatcher.environments():
            await asyncio.sleep(0.05)
        assert await e.answer() == "KEY3"

    engine(main)


def test_there_is_time_left_for_what_still_runs():
    assert ageing.usable_s(3_600) == 3_300
    assert ageing.usable_s(10) == 5
