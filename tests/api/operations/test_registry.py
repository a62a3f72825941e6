import msgspec
import pytest

from lambent.api.operations import DIRECT, served
from lambent.api.operations.durable import REFUSED


def test_what_is_served_is_in_the_model(service):
    operations = served()
    assert operations
    assert operations.keys() | DIRECT <= service.operations.keys()
    assert not operations.keys() & DIRECT


@pytest.mark.parametrize("operation", served().values(), ids=lambda o: o.name)
def test_a_request_record_asks_for_nothing_that_the_model_lacks(operation, service):
    members = service.operations[operation.name].input.members
    for field in msgspec.structs.fields(operation.request_type):
        if field.required:
            assert field.encode_name in members, f"{operation.name} has no {field.encode_name}"
            assert field.encode_name in service.operations[operation.name].input.required


@pytest.mark.parametrize("operation", served().values(), ids=lambda o: o.name)
def test_every_member_of_the_model_is_known_to_the_record_or_left_out_on_purpose(
    operation, service
):
    if operation.name in REFUSED:
        pytest.skip("it is refused whatever its members say")
    names = {f.encode_name for f in msgspec.structs.fields(operation.request_type)}
    unknown = set(service.operations[operation.name].input.required) - names
    assert not unknown, f"{operation.name} ignores required members {unknown}"
