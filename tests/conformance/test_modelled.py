"""Every served operation with requests made from botocore's model, against a live server.

Whatever is sent: the answer is one that the model allows, it has AWS's form, it comes, and it never
shows what belongs to another account. `scripts/modelled.py` draws the requests.
"""

from __future__ import annotations

import importlib.util
import random
import sys
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambent.api.operations import DIRECT, served

ROOT = Path(__file__).parents[2]
OPERATIONS = sorted(DIRECT | served().keys())


@pytest.fixture(scope="module")
def modelled():
    spec = importlib.util.spec_from_file_location("modelled", ROOT / "scripts/modelled.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["modelled"] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["modelled"]


@pytest.fixture(scope="module")
def secret(server):
    """What another account has, under a name that the requests ask for."""
    text = f"secret-{uuid.uuid4().hex}"
    server.function("theirs", Description=text, Environment={"Variables": {"TOKEN": text}})
    yield text.encode()
    server.client.delete_function(FunctionName="theirs")


@pytest.mark.parametrize("name", OPERATIONS)
def test_whatever_is_asked_the_answer_is_aws_like(name, server, modelled, secret):
    operation = modelled.MODEL.operations[name]

    @settings(
        max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(st.integers(0, 2**32))
    def check(seed):
        members = modelled.Maker(random.Random(seed)).members(operation)
        answer = modelled.send(server.port, operation, members)
        problem = modelled.judge(operation, answer, secret)
        assert problem is None, (members, problem)

    check()
