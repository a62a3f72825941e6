"""Environment variables under a key of KMS (moto's), in a real database, across restarts."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import threading

import boto3
import pytest
from moto.server import ThreadedMotoServer

from lambent.control import registry
from lambent.control.aws_clients import AwsClients
from lambent.engine.routing import refuse
from lambent.errors import AwsError, InvalidParameterValue
from lambent.store import versions

SECRET = "only-kms-may-open-this"
AWAY = "http://127.0.0.1:1"
NAME = ("123456789012", "us-east-1", "f")


@pytest.fixture(scope="module")
def kms():
    """A client, its server's address, and a key."""
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "kms", endpoint_url=f"http://{host}:{port}", region_name="us-east-1",
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip
    client.url = f"http://{host}:{port}"
    client.key = client.create_key()["KeyMetadata"]["Arn"]
    iam = boto3.client(
        "iam", endpoint_url=client.url, region_name="us-east-1",
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip
    # moto's accounts outlive its servers within a process.
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName="lambda", AssumeRolePolicyDocument="{}")
    yield client
    client.close()
    iam.close()
    server.stop()


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


def variables(value=SECRET):
    return {"Variables": {"PASSWORD": value}}


async def on_disk(w):
    """Every kept version, as whoever has the file and its key sees it."""
    rows = await w.database.read(lambda c: list(versions.load(c)))
    return [(version.number, version.configuration) for *_, version in rows]


def target(w, version="$LATEST"):
    return w.listener.targets[NAME].versions[version]


def test_what_is_kept_only_kms_opens(world, kms):
    async def main(w):
        await w.create("f", Environment=variables(), KMSKeyArn=kms.key)
        await w.settle()
        await w.do("PublishVersion", FunctionName="f")
        await w.settle()
        await w.do("UpdateFunctionConfiguration", FunctionName="f", Environment=variables("second"))
        await w.settle()
        assert target(w).environment == {"PASSWORD": "second"}
        kept = await on_disk(w)
        assert [number for number, _ in kept] == [0, 1]
        for _, configuration in kept:
            assert configuration.environment is None
            assert configuration.sealed_environment
        for file in (w.root / "state").iterdir():
            assert SECRET.encode() not in file.read_bytes()

    async def after_a_restart(w):
        assert target(w).environment == {"PASSWORD": "second"}
        assert target(w, "1").environment == {"PASSWORD": SECRET}
        shown = await w.do("GetFunctionConfiguration", FunctionName="f")
        assert shown["Environment"] == variables("second")

    world(main, aws_endpoint_url=kms.url)
    world(after_a_restart, aws_endpoint_url=kms.url)


def test_another_function_s_envelope_does_not_open(world, kms):
    async def main(w):
        for name in ("f", "other"):
            await w.create(name, Environment=variables(name), KMSKeyArn=kms.key)
        await w.settle()

        def swap(connection):
            rows = list(versions.load(connection))
            sealed = {row[2]: row[3] for row in rows}
            versions.put(connection, *NAME, sealed["other"])

        await w.database.write(swap)

    async def after_a_restart(w):
        with pytest.raises(AwsError, match="unable to decrypt"):
            refuse(target(w))

    world(main, aws_endpoint_url=kms.url)
    world(after_a_restart, aws_endpoint_url=kms.url)


@pytest.mark.slow
def test_without_kms_a_version_is_locked_until_it_is_back(world, kms, monkeypatch):
    monkeypatch.setattr(registry, "LOCKED_S", 5.0)

    async def main(w):
        await w.create("f", Environment=variables(), KMSKeyArn=kms.key)

    async def after_a_restart(w):
        with pytest.raises(AwsError) as caught:
            refuse(target(w))
        assert caught.value.code == "KMSAccessDeniedException"
        assert "KMS could not be asked" in str(caught.value)
        shown = await w.do("GetFunctionConfiguration", FunctionName="f")
        assert shown["Environment"]["Error"]["ErrorCode"] == "EndpointConnectionError"
        assert shown["KMSKeyArn"] == kms.key
        await w.do("UpdateFunctionConfiguration", FunctionName="f", Timeout=9)
        await w.settle()
        assert [c.sealed_environment != "" for _, c in await on_disk(w)] == [True]
        # It is back.
        w.control.clients._setting = kms.url
        w.control.clients._clients.clear()
        async with asyncio.timeout(30):
            while target(w).state != "Active":
                await w.clock.advance(5)
                await asyncio.sleep(0.01)
        assert target(w).environment == {"PASSWORD": SECRET}
        assert target(w).timeout_s == 9

    world(main, aws_endpoint_url=kms.url)
    world(after_a_restart, aws_endpoint_url=AWAY)


@pytest.mark.slow
def test_new_variables_end_a_lock(world, kms):
    async def main(w):
        await w.create("f", Environment=variables(), KMSKeyArn=kms.key)

    async def after_a_restart(w):
        w.control.clients._setting = kms.url
        w.control.clients._clients.clear()
        await w.do("UpdateFunctionConfiguration", FunctionName="f", Environment=variables("new"))
        await w.settle()
        assert target(w).state == "Active"
        assert target(w).environment == {"PASSWORD": "new"}

    world(main, aws_endpoint_url=kms.url)
    world(after_a_restart, aws_endpoint_url=AWAY)


@pytest.fixture
def refusing():
    """A KMS that says of every key that it is disabled, which moto does not."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            body = b'{"__type": "DisabledException", "message": "it is disabled."}'
            self.send_response(400)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_what_kms_says_is_passed_on(world, kms, refusing, monkeypatch):
    async def main(w):
        await w.create("f", Environment=variables(), KMSKeyArn=kms.key)

    async def after_a_restart(w):
        with pytest.raises(AwsError) as locked:
            refuse(target(w))
        assert locked.value.code == "KMSDisabledException"
        assert str(locked.value).endswith(
            "KMS Exception: DisabledException KMS Message: it is disabled."
        )
        with pytest.raises(InvalidParameterValue) as caught:
            await w.create("g", Environment=variables(), KMSKeyArn=kms.key)
        assert "KMS Exception: DisabledException" in caught.value.message
        await w.create("g", KMSKeyArn=kms.key)  # there is nothing to seal

    world(main, aws_endpoint_url=kms.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", refusing)
    world(after_a_restart)


def test_without_an_endpoint_the_key_file_alone_seals(world):
    async def main(w):
        assert isinstance(w.control.clients, AwsClients)
        await w.create(
            "f",
            Environment=variables(),
            KMSKeyArn="arn:aws:kms:us-east-1:123456789012:key/6f1a1b5e-0000-4000-8000-000000000000",
        )
        await w.settle()
        ((_, configuration),) = await on_disk(w)
        assert configuration.environment == {"PASSWORD": SECRET}

    world(main)
