"""Keys reach no log: not that of uvicorn, and not ours."""

import logging
import subprocess
import sys

import pytest

from lambent_inference.app import create_app
from lambent_inference.service import Service
from lambent_inference.settings import load


def test_the_access_log_has_no_queries(known_answers, caplog):
    create_app(Service(load({}), lambda _: known_answers))
    create_app(Service(load({}), lambda _: known_answers))
    access = logging.getLogger("uvicorn.access")
    with caplog.at_level(logging.INFO, "uvicorn.access"):
        target = "/coco/3?api_key=a-secret"
        access.info('%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "POST", target, "1.1", 200)
        access.info("plain")
    assert caplog.messages == ['127.0.0.1:1 - "POST /coco/3 HTTP/1.1" 200', "plain"]


@pytest.mark.slow
def test_the_level_is_the_owners():
    code = """
import logging
from lambent_inference.app import create_app
create_app()
logging.getLogger("lambent_inference").info("told")
"""
    for level, told in (("INFO", "INFO told\n"), ("WARNING", "")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"LOG_LEVEL": level},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert done.stderr == told


def test_a_failure_of_the_platform_is_logged_without_its_key(client, picture, caplog):
    from lambent_inference.errors import PlatformUnreachable

    server = client()

    async def unreachable(*_, **__):
        raise PlatformUnreachable

    server.models.infer = unreachable
    body = {"model_id": "coco/3", "image": {"type": "base64", "value": picture}}
    headers = {"authorization": "Bearer a-secret"}
    answer = server.post("/infer/object_detection", body, headers, api_key="a-secret")
    message = "Internal error. Could not connect to Roboflow API."
    assert (answer.status, answer.json()) == (503, {"message": message})
    assert "PlatformUnreachable" in caplog.text
    assert "a-secret" not in caplog.text
