from datetime import UTC, datetime

import msgspec
import pytest

from lambent.api.serialise import serialise


class Concurrency(msgspec.Struct, rename="pascal"):
    reserved_concurrent_executions: int | None = None


def test_a_struct_answers_by_its_aws_names_and_none_is_left_out(service):
    operation = service.operations["GetFunctionConcurrency"]
    assert serialise(operation, Concurrency(5)).body == b'{"ReservedConcurrentExecutions":5}'
    assert serialise(operation, Concurrency()).body == b"{}"
    assert serialise(operation, None).status == 200


def test_unset_and_nested_none_are_left_out(service):
    operation = service.operations["GetFunction"]
    answer = {"Configuration": {"FunctionName": "f", "Layers": None}, "Tags": None, "Code": {}}
    body = msgspec.json.decode(serialise(operation, answer).body)
    assert body == {"Configuration": {"FunctionName": "f"}, "Code": {}}


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("CreateFunction", 201),
        ("PublishVersion", 201),
        ("CreateAlias", 201),
        ("AddPermission", 201),
        ("PublishLayerVersion", 201),
        ("UpdateFunctionCode", 200),
        ("GetFunction", 200),
        ("DeleteFunction", 204),
        ("DeleteAlias", 204),
        ("RemovePermission", 204),
        ("TagResource", 204),
        ("UntagResource", 204),
        ("DeleteFunctionConcurrency", 204),
        ("PutProvisionedConcurrencyConfig", 202),
        ("CreateEventSourceMapping", 202),
        ("UpdateEventSourceMapping", 202),
        ("DeleteEventSourceMapping", 202),
    ],
)
def test_status_codes(service, name, status):
    reply = serialise(service.operations[name], None)
    assert reply.status == status
    if status == 204:
        assert reply.body == b""


def test_times_are_epoch_seconds(service):
    operation = service.operations["GetEventSourceMapping"]
    reply = serialise(operation, {"LastModified": datetime(2026, 1, 31, 12, tzinfo=UTC)})
    assert msgspec.json.decode(reply.body) == {"LastModified": 1769860800.0}


def test_a_member_that_the_model_lacks_is_our_mistake(service):
    with pytest.raises(TypeError, match="GetFunctionConcurrency has no member Reserved"):
        serialise(service.operations["GetFunctionConcurrency"], {"Reserved": 1})
    with pytest.raises(TypeError, match="FunctionCodeLocation has no member Place"):
        serialise(service.operations["GetFunction"], {"Code": {"Place": "x"}})
