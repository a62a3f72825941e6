from __future__ import annotations

import json

CLIENT = {
    "client": {
        "installation_id": "i", "app_title": "t", "app_version_name": "n",
        "app_version_code": "c", "app_package_name": "p",
    },
    "custom": {"a": "b"},
    "env": {"e": "f"},
}  # fmt: skip


def test_attributes(evaluator):
    assert evaluator.invoke({"do": "vars(context)['function_name']"}) == "f"
    found = evaluator.invoke(
        {"do": "{n: getattr(context, n) for n in vars(context) if n != 'identity'}"}
    )
    deadline = found.pop("_epoch_deadline_time_in_ms")
    assert isinstance(deadline, int)
    assert found == {
        "aws_request_id": "11111111-2222-3333-4444-555555555555",
        "log_group_name": "/aws/lambda/f",
        "log_stream_name": "s",
        "function_name": "f",
        "memory_limit_in_mb": "128",
        "function_version": "$LATEST",
        "invoked_function_arn": "arn:aws:lambda:us-east-1:123456789012:function:f",
        "client_context": None,
        "tenant_id": None,
    }


def test_arn_and_tenant_are_the_invoke_s(evaluator):
    do = {"do": "[context.invoked_function_arn, context.tenant_id]"}
    assert evaluator.invoke(do, arn="arn:x:live", tenant="t-1") == ["arn:x:live", "t-1"]
    assert evaluator.invoke(do, arn="arn:y")[1] is None


def test_repr_is_aws_s(evaluator):
    assert evaluator.invoke({"do": "repr(context)"}, request_id="req-1", arn="arn:x") == (
        "LambdaContext([aws_request_id=req-1,log_group_name=/aws/lambda/f,log_stream_name=s,"
        "function_name=f,memory_limit_in_mb=128,function_version=$LATEST,"
        "invoked_function_arn=arn:x,client_context=None,identity=CognitoIdentity("
        "[cognito_identity_id=None,cognito_identity_pool_id=None]),tenant_id=None])"
    )


def test_client_context_even_when_pretty_printed(evaluator):
    do = (
        "[context.client_context.custom, context.client_context.env,"
        " context.client_context.client.app_title, repr(context.client_context),"
        " context.identity.cognito_identity_id]"
    )
    identity = json.dumps({"cognitoIdentityId": "cid", "cognitoIdentityPoolId": "pid"})
    for text in (json.dumps(CLIENT), json.dumps(CLIENT, indent=2)):
        custom, env, title, shown, cognito = evaluator.invoke(
            {"do": do}, client_context=text, identity=identity
        )
        assert (custom, env, title, cognito) == ({"a": "b"}, {"e": "f"}, "t", "cid")
        assert shown == (
            "ClientContext([custom={'a': 'b'},env={'e': 'f'},client=Client([installation_id=i,"
            "app_title=t,app_version_name=n,app_version_code=c,app_package_name=p])])"
        )


def test_client_context_may_be_empty(evaluator):
    do = {"do": "repr(context.client_context)"}
    assert evaluator.invoke(do, client_context="{}") == (
        "ClientContext([custom=None,env=None,client=None])"
    )


def test_log_is_one_event(evaluator):
    evaluator.invoke({"do": "context.log('two\\nlines')"})
    assert evaluator.events() == ["two\nlines"]


def test_trace_header_per_invoke(evaluator):
    do = {"do": "os.environ.get('_X_AMZN_TRACE_ID')"}
    assert evaluator.invoke(do, trace="Root=1-a") == "Root=1-a"
    assert evaluator.invoke(do, trace="Root=1-b") == "Root=1-b"
    assert evaluator.invoke(do, trace="") is None
    assert evaluator.invoke(do, trace="Root=1-b") == "Root=1-b"
