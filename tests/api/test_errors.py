import inspect

import botocore.awsrequest
import botocore.parsers
import msgspec
import pytest

from lambent import errors
from lambent.api.errors import render

PARSER = botocore.parsers.create_parser("rest-json")


def shown(error):
    reply = render(error)
    return reply.status, dict(reply.headers), msgspec.json.decode(reply.body)


def test_modelled_errors_say_their_type():
    status, headers, body = shown(errors.ResourceConflict("no"))
    assert (status, body) == (409, {"Type": "User", "message": "no"})
    assert headers[b"x-amzn-errortype"] == b"ResourceConflictException"


def test_not_found_spells_message_with_a_capital():
    assert shown(errors.ResourceNotFound("gone"))[2] == {"Type": "User", "Message": "gone"}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.ValidationException("v"), 400),
        (errors.RequestEntityTooLarge("v"), 413),
        (errors.UntypedInvalidParameterValue("v"), 400),
    ],
)
def test_errors_without_type(error, status):
    assert (shown(error)[0], shown(error)[2]) == (status, {"message": "v"})


def test_access_denied_may_have_no_message():
    assert shown(errors.AccessDenied(None))[2] == {"message": None}


def test_a_throttle_says_its_reason_and_when_to_come_back():
    reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
    status, headers, body = shown(
        errors.TooManyRequests("Rate Exceeded.", reason=reason, retry_after_s=2)
    )
    assert status == 429
    assert body == {"Type": "User", "Reason": reason, "message": "Rate Exceeded."}
    assert headers[b"retry-after"] == b"2"


def test_what_is_not_available():
    status, _, body = shown(errors.NotAvailable("TagResource"))
    assert status == 501
    assert body == {
        "Type": "Service",
        "message": "TagResource is not available in this version of lambent",
    }


def test_a_host_that_cannot_make_a_sandbox_names_the_fix():
    status, _, body = shown(errors.SandboxError("no user namespaces", fix="lambent doctor --fix"))
    assert (status, body["Type"]) == (500, "Service")
    assert body["Message"] == "SANDBOX_UNAVAILABLE: no user namespaces (lambent doctor --fix)"


def _all():
    made = {"TooManyRequests": {"reason": "CallerRateLimitExceeded"}}
    for name, kind in vars(errors).items():
        if (
            inspect.isclass(kind)
            and issubclass(kind, errors.AwsError)
            # Those have codes of their own, and renderers that know them.
            and not issubclass(kind, errors.CodedError)
            and kind is not errors.AwsError
        ):
            yield kind("text", **made.get(name, {}))


@pytest.mark.parametrize("error", list(_all()), ids=lambda e: type(e).__name__)
def test_botocore_reads_code_status_and_message(error, botocore_model):
    reply = render(error)
    headers = {k.decode(): v.decode() for k, v in reply.headers}
    response = {
        "status_code": reply.status,
        "headers": botocore.awsrequest.HeadersDict(headers),
        "body": reply.body,
    }
    parsed = PARSER.parse(response, botocore_model.operation_model("Invoke").output_shape)
    assert parsed["Error"]["Code"] == error.code
    assert parsed["Error"]["Message"] == error.message
    modelled = {s.name: s for s in botocore_model.error_shapes}.get(error.code)
    if modelled is not None:
        assert reply.status == modelled.metadata["error"]["httpStatusCode"]
        assert set(msgspec.json.decode(reply.body)) <= set(modelled.members)
