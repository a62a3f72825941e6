"""Who may do what, on a live server: users' policies, functions' roles, boundaries, and attacks."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ACCOUNT = "123456789012"
HERE = f"arn:aws:lambda:us-east-1:{ACCOUNT}"
FUNCTION = f"{HERE}:function:open"
ROLE = f"arn:aws:iam::{ACCOUNT}:role"
KEYS = """
import json, os
def handler(event, context):
    return [os.environ[n] for n in
            ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")]
"""

ASKS = """
import boto3
client = boto3.client("lambda")
def handler(event, context):
    try:
        answer = getattr(client, event["call"])(**event.get("with", {}))
    except client.exceptions.ClientError as error:
        return error.response["Error"]
    return answer["ResponseMetadata"]["HTTPStatusCode"]
"""


def allow(action, resource="*", effect="Allow", **more):
    return {
        "Version": "2012-10-17",
        "Statement": {"Effect": effect, "Action": action, "Resource": resource, **more},
    }


def when(operator, key, value):
    return {"Condition": {operator: {key: value}}}


INVOKE = "lambda:InvokeFunction"
AFAR = "999999999999"
VISITORS = {
    "both": [allow("lambda:*", "arn:aws:lambda:*")],
    "identity": [],
    "denied": [allow("lambda:*"), allow("lambda:*", effect="Deny")],
    "elsewhere": [allow("lambda:*", f"{HERE}:function:other")],
}
"""Of another account, which a function's policy lets in: only those whose own policies do, too."""
USERS = {
    "admin": [allow("*")],
    "nobody": [],
    "named": [allow(INVOKE, FUNCTION)],
    "other": [allow(INVOKE, f"{HERE}:function:closed")],
    "pattern": [allow("lambda:Invoke*", f"{HERE}:function:op?n")],
    "denied": [allow("*"), allow(INVOKE, effect="Deny")],
    "bounded": [allow("*")],
    "by-ip": [allow(INVOKE, **when("IpAddress", "aws:SourceIp", "127.0.0.0/8"))],
    "by-other-ip": [allow(INVOKE, **when("IpAddress", "aws:SourceIp", "10.0.0.0/8"))],
    "by-name": [allow(INVOKE, **when("StringEquals", "aws:username", "by-name"))],
    "over-tls": [allow(INVOKE, **when("Bool", "aws:SecureTransport", "true"))],
    "of-org": [allow(INVOKE, **when("StringEquals", "aws:PrincipalOrgID", "o-test"))],
    "until-2020": [allow(INVOKE, **when("DateLessThan", "aws:CurrentTime", "2020-01-01"))],
    "since-2020": [allow(INVOKE, **when("DateGreaterThan", "aws:CurrentTime", "2020-01-01"))],
    "variable": [allow(INVOKE, f"{HERE}:function:${{aws:username}}")],
    "all-but": [
        {
            "Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "NotAction": "lambda:Delete*", "Resource": "*"},
        }
    ],
    "by-function": [],
    "maker": [allow("lambda:*")],
}
MAY_INVOKE = {
    "admin", "named", "pattern", "by-ip", "by-name", "of-org", "since-2020", "all-but",
    "by-function", "maker",
}  # fmt: skip


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, shared_runtimes, live_server):
    """A server with the users above; `open` says what it is given, `keys` its credentials."""
    folder = tmp_path_factory.mktemp("guarded")
    users = {
        name: {"AccessKeys": {f"AKIA-{name}": f"secret of {name}"}, "Policies": policies}
        for name, policies in USERS.items()
    }
    users |= {
        f"afar-{name}": {
            "AccessKeys": {f"AKIA-afar-{name}": f"secret of afar-{name}"},
            "Account": AFAR,
            "Policies": policies,
        }
        for name, policies in VISITORS.items()
    }
    users["bounded"]["Boundary"] = allow("lambda:Get*")
    roles = {
        "caller": {"Policies": [allow(INVOKE, FUNCTION)]},
        "other": {"Policies": [allow("lambda:ListFunctions")]},
        "untrusting": {
            "Trust": {
                "Statement": {
                    "Effect": "Allow",
                    "Action": "sts:AssumeRole",
                    "Principal": {"Service": "ec2.amazonaws.com"},
                }
            }
        },
    }
    file = folder / "iam.json"
    file.write_text(json.dumps({"OrganizationId": "o-test", "Users": users, "Roles": roles}))
    data = folder / "data"
    data.mkdir()
    (data / "runtimes").symlink_to(shared_runtimes)
    server = live_server(data, auth="sigv4", iam_file=file, state_delay_s=0)
    server.clients = []
    server.client.close()
    server.client = server.boto3(key="AKIA-admin", secret="secret of admin")
    server.function("open")
    server.function("keys", KEYS, Role=f"{ROLE}/caller")
    server.client.add_permission(
        FunctionName="open",
        StatementId="user",
        Action=INVOKE,
        Principal=f"arn:aws:iam::{ACCOUNT}:user/by-function",
    )
    yield server
    for each in server.clients:
        each.close()
    assert server.stop() == 0, server.log_file.read_text()


def client(server, name, service="lambda", **given):
    made = boto3.client(
        service,
        endpoint_url=server.url,
        region_name="us-east-1",
        config=Config(retries={"max_attempts": 0}),
        **{
            "aws_access_key_id": f"AKIA-{name}",
            "aws_secret_access_key": f"secret of {name}",
            **given,
        },
    )
    server.clients.append(made)
    return made


def refusal(call, **given):
    with pytest.raises(ClientError) as caught:
        call(**given)
    error = caught.value.response["Error"]
    return error["Code"], error.get("Message") or caught.value.response.get("Message")


@pytest.mark.parametrize("name", USERS)
def test_who_may_invoke(guarded, name):
    caller = client(guarded, name)
    for _ in range(2):  # the second is from memory
        if name in MAY_INVOKE:
            answer = caller.invoke(FunctionName="open", Payload=b'{"a":1}')
            assert json.load(answer["Payload"]) == {"a": 1}
        else:
            code, text = refusal(caller.invoke, FunctionName="open", Payload=b"{}")
            assert code == "AccessDeniedException"
            why = {
                "denied": "with an explicit deny in an identity-based policy",
                "bounded": f"because no permissions boundary allows the {INVOKE} action",
            }.get(name, f"because no identity-based policy allows the {INVOKE} action")
            assert text == (
                f"User: arn:aws:iam::{ACCOUNT}:user/{name} is not authorized to perform: {INVOKE} "
                f"on resource: {FUNCTION} {why}"
            )


def test_another_account_needs_both_sides(guarded, archive):
    """Identity and resource policy, for invokes and for the calls that a policy can open."""
    guarded.function("lent")
    for action in ("InvokeFunction", "GetFunction", "UpdateFunctionCode"):
        guarded.client.add_permission(
            FunctionName="lent", StatementId=action, Action=f"lambda:{action}", Principal=AFAR
        )
    lent = f"{HERE}:function:lent"
    may = client(guarded, "afar-both")
    assert json.loads(may.invoke(FunctionName=lent, Payload=b"[1]")["Payload"].read()) == [1]
    assert may.invoke(FunctionName=lent, InvocationType="Event")["StatusCode"] == 202
    stream = may.invoke_with_response_stream(FunctionName=f"{ACCOUNT}:function:lent")["EventStream"]
    assert any("PayloadChunk" in event for event in stream)
    found = may.get_function(FunctionName=lent)["Configuration"]
    assert found["FunctionArn"] == lent
    # The caller's own `lent` is another function, and there is none.
    assert refusal(may.get_function, FunctionName="lent")[0] == "ResourceNotFoundException"
    # Nobody lent these, or they are nobody's to lend.
    for call, given in (
        (may.get_function_configuration, {"FunctionName": lent}),
        (may.invoke, {"FunctionName": FUNCTION}),
        (may.invoke, {"FunctionName": f"{HERE}:function:never-made"}),
        (may.invoke, {"FunctionName": f"{lent}:some-alias"}),
        (may.delete_function, {"FunctionName": lent}),
        (may.update_function_configuration, {"FunctionName": lent, "Timeout": 9}),
        (may.add_permission, {"FunctionName": lent, "StatementId": "x", "Action": INVOKE,
                              "Principal": AFAR}),
    ):  # fmt: skip
        code, text = refusal(call, **given)
        assert code == "AccessDeniedException", given
        assert "because no resource-based policy allows the lambda:" in text, given
    layer = guarded.client.publish_layer_version(
        LayerName="lent", Content={"ZipFile": archive({"python/x.py": ""})}
    )["LayerVersionArn"]
    assert refusal(may.get_layer_version_by_arn, Arn=layer)[0] == "AccessDeniedException"
    guarded.client.add_layer_version_permission(
        LayerName="lent", VersionNumber=int(layer.rpartition(":")[2]), StatementId="afar",
        Action="lambda:GetLayerVersion", Principal=AFAR,
    )  # fmt: skip
    assert may.get_layer_version_by_arn(Arn=layer)["LayerVersionArn"] == layer
    nobody = client(guarded, "afar-identity")
    assert refusal(nobody.get_layer_version_by_arn, Arn=layer)[0] == "AccessDeniedException"
    for name in ("identity", "denied", "elsewhere"):
        visitor = client(guarded, f"afar-{name}")
        for call in (visitor.invoke, visitor.get_function):
            code, text = refusal(call, FunctionName=lent)
            assert code == "AccessDeniedException", name
            assert f"user/afar-{name} is not authorized to perform: lambda:" in text
    guarded.client.remove_permission(FunctionName="lent", StatementId="InvokeFunction")
    assert refusal(may.invoke, FunctionName=lent)[0] == "AccessDeniedException"


@pytest.mark.slow  # a server of its own
def test_a_recorded_request_counts_once_where_the_owner_wants_it(start_server):
    server = start_server(auth="sigv4", auth_keys='{"AKID": "secret"}', sign_once="true")
    server.client.close()
    server.client = server.boto3(key="AKID", secret="secret")
    recorded = []
    server.client.meta.events.register(
        "before-send.lambda", lambda request, **_: recorded.append(request)
    )
    server.function("f")
    for number in range(5):
        server.invoke("f", number)
    for _ in range(3):  # what only reads may come twice in a second, as clients that wait do
        server.client.get_function(FunctionName="f")

    def again(request):
        head = b"".join(
            b"%s: %s\r\n" % (k.encode(), v if isinstance(v, bytes) else v.encode())
            for k, v in request.headers.items()
        )
        path = request.url.partition(f":{server.port}")[2]
        host = b"Host: 127.0.0.1:%d\r\nConnection: close\r\n" % server.port
        return server.raw(
            b"%s %s HTTP/1.1\r\n%s%s\r\n%s"
            % (request.method.encode(), path.encode(), host, head, request.body or b"")
        )

    calls = [request for request in recorded if request.method == "POST"]
    assert len(calls) == 6
    for request in (calls[0], calls[-1]):
        answer = again(request)
        assert answer.startswith(b"HTTP/1.1 403"), answer
        assert b"has been used before" in answer


def test_accounts_are_kept_apart_where_nobody_checks_signatures(server, name):
    """With `auth = "any"` an account is who its key says; a function's policy still lends."""
    server.function(name)
    visitor = server.boto3(key=AFAR)
    arn = f"{HERE}:function:{name}"
    for call in (visitor.invoke, visitor.get_function):
        code, text = refusal(call, FunctionName=arn)
        assert code == "AccessDeniedException"
        assert text.startswith(f"User: arn:aws:iam::{AFAR}:root is not authorized to perform: ")
        assert text.endswith(
            f"on resource: {arn} because no resource-based policy allows the "
            f"{'lambda:InvokeFunction' if call == visitor.invoke else 'lambda:GetFunction'} action"
        )
    server.client.add_permission(
        FunctionName=name, StatementId="afar", Action=INVOKE, Principal=AFAR
    )
    for _ in range(2):  # a head that was judged once is not let in for that
        assert visitor.invoke(FunctionName=arn)["StatusCode"] == 200
    server.client.remove_permission(FunctionName=name, StatementId="afar")
    assert refusal(visitor.invoke, FunctionName=arn)[0] == "AccessDeniedException"
    visitor.close()


def test_every_api_is_asked_about(guarded):
    nobody, named = client(guarded, "nobody"), client(guarded, "named")
    for call, given, action, resource in (
        (nobody.list_functions, {}, "lambda:ListFunctions", "*"),
        (named.get_function, {"FunctionName": "open"}, "lambda:GetFunction", FUNCTION),
        (
            named.get_function,
            {"FunctionName": FUNCTION, "Qualifier": "7"},
            "lambda:GetFunction",
            f"{FUNCTION}:7",
        ),
        (named.delete_function, {"FunctionName": "open"}, "lambda:DeleteFunction", FUNCTION),
        (
            nobody.get_layer_version,
            {"LayerName": "l", "VersionNumber": 3},
            "lambda:GetLayerVersion",
            f"{HERE}:layer:l:3",
        ),
        (
            client(guarded, "nobody", "logs").describe_log_streams,
            {"logGroupName": "/aws/lambda/open"},
            "logs:DescribeLogStreams",
            f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:/aws/lambda/open:log-stream:",
        ),
        (
            client(guarded, "nobody", "cloudformation").describe_stacks,
            {"StackName": "s"},
            "cloudformation:DescribeStacks",
            f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/s/*",
        ),
    ):
        code, text = refusal(call, **given)
        assert code in {"AccessDeniedException", "AccessDenied"}
        assert f"perform: {action} on resource: {resource} because no identity-based" in text
    assert client(guarded, "bounded").get_function(FunctionName="open")
    client(guarded, "admin", "cloudformation").describe_stacks()
    client(guarded, "admin", "logs").describe_log_groups()


def test_a_role_must_be_passed(guarded, archive):
    """Otherwise whoever may make functions could do all that any role may."""
    name = "all-but"
    made = f"made-{uuid.uuid4().hex[:8]}"
    given = {
        "FunctionName": made,
        "Runtime": "python3.13",
        "Handler": "app.handler",
        "Role": f"{ROLE}/caller",
        "Code": {"ZipFile": archive({"app.py": "def handler(e, c): pass"})},
    }
    client(guarded, name).create_function(**given)
    guarded.client.delete_function(FunctionName=made)
    for name, action in (("pattern", "lambda:CreateFunction"), ("maker", "iam:PassRole")):
        code, text = refusal(client(guarded, name).create_function, **given)
        assert (code, f"perform: {action} on" in text) == ("AccessDeniedException", True)


def test_what_a_function_may_do_its_role_says(guarded):
    key, secret, token = guarded.invoke("keys")
    given = {"aws_access_key_id": key, "aws_secret_access_key": secret}
    inside = client(guarded, "", aws_session_token=token, **given)
    assert json.load(inside.invoke(FunctionName="open", Payload=b"[1]")["Payload"]) == [1]
    code, text = refusal(inside.list_functions)
    assert code == "AccessDeniedException"
    assert text.startswith(f"User: arn:aws:sts::{ACCOUNT}:assumed-role/caller/keys is not auth")
    # A forged, a foreign and a missing token.
    for wrong in (token[:-8] + "AAAAAAA=", "x", None):
        other = client(guarded, "", aws_session_token=wrong, **given)
        assert refusal(other.list_functions)[0] == "UnrecognizedClientException"
    mixed = client(guarded, "admin", aws_session_token=token)
    assert refusal(mixed.list_functions)[0] == "UnrecognizedClientException"


def test_a_function_calls_the_api_as_its_role(guarded):
    """From inside its sandbox, with the credentials and the address that it finds there."""
    guarded.function("asks", ASKS, Role=f"{ROLE}/caller", MemorySize=1769)
    assert guarded.invoke("asks", {"call": "invoke", "with": {"FunctionName": "open"}}) == 200
    refused = guarded.invoke("asks", {"call": "list_functions"})
    assert refused["Code"] == "AccessDeniedException"
    assert (
        "assumed-role/caller/asks is not authorized to perform: lambda:ListFunctions"
        in (refused["Message"])
    )
    guarded.function("lists", ASKS, Role=f"{ROLE}/other", MemorySize=1769)
    assert guarded.invoke("lists", {"call": "list_functions"}) == 200


def test_a_role_that_does_not_trust_lambda_is_of_no_use(guarded):
    guarded.function("untrusted", Role=f"{ROLE}/untrusting")
    code, text = refusal(guarded.client.invoke, FunctionName="untrusted")
    assert (code, text) == (
        "AccessDeniedException",
        "The role defined for the function cannot be assumed by Lambda.",
    )


def test_a_wrong_file_stops_the_start(start_server, tmp_path):
    file = tmp_path / "iam.json"
    file.write_text('{"Users": {"a": {"Policies": ["none"]}}}')
    with pytest.raises(RuntimeError, match="IAM_FILE_INVALID"):
        start_server(auth="sigv4", iam_file=file)


SECRET = "a-secret-that-nobody-may-read"


def trail(server, **query):
    """Records as the page gives them, asked for as the command line does."""
    from lambent.delivery import own_pages
    from lambent.delivery.aws import Aws

    class Admin(Aws):
        @property
        def session(self):
            return boto3.Session("AKIA-admin", "secret of admin", region_name="us-east-1")

    page = query.pop("page", "audit")
    return own_pages.ask(Admin(server.url), page, list(query.items()))


def test_the_audit_trail_says_who_did_what(guarded):
    name = f"audited-{uuid.uuid4().hex[:8]}"
    guarded.function(name, Environment={"Variables": {"PASSWORD": SECRET}})
    guarded.invoke(name, {"password": SECRET})
    refusal(client(guarded, "denied").invoke, FunctionName=name, Payload=b"{}")
    refusal(client(guarded, "bounded").delete_function, FunctionName=name)
    wrong = client(guarded, "", aws_access_key_id="AKIA-named", aws_secret_access_key="x")
    refusal(wrong.get_function, FunctionName=name)
    records = trail(guarded, function=name)
    made = next(one for one in records if one["eventName"] == "CreateFunction")
    assert made["userIdentity"]["arn"] == f"arn:aws:iam::{ACCOUNT}:user/admin"
    assert made["userIdentity"]["userName"] == "admin"
    assert made["requestParameters"]["FunctionName"] == name
    assert made["requestParameters"]["Environment"] != {"Variables": {"PASSWORD": SECRET}}
    assert made["resources"] == [{"ARN": f"{HERE}:function:{name}"}]
    assert made["eventCategory"] == "Management"
    invoked, denied = [one for one in records if one["eventName"] == "Invoke"]
    assert (invoked["eventCategory"], "errorCode" in invoked) == ("Data", False)
    assert denied["errorCode"] == "AccessDeniedException"
    assert denied["decision"] == {
        "why": "an explicit deny",
        "policy": "policy 2 of user denied",
        "sid": "",
    }
    unproven = next(one for one in records if one.get("errorCode") == "InvalidSignatureException")
    assert unproven["userIdentity"]["type"] == "Unverified"
    assert len(trail(guarded, function=name, errors=1)) == 3
    assert trail(guarded, function=name, event="Invoke", limit=1) == [denied]
    assert SECRET not in json.dumps(trail(guarded, limit=10_000))
    for file in (guarded.data_dir / "audit").iterdir():
        assert SECRET.encode() not in file.read_bytes()
    assert SECRET not in guarded.log_file.read_text()
    for file in guarded.data_dir.glob("lambent.sqlite*"):
        assert SECRET.encode() not in file.read_bytes()


def test_the_trail_is_not_for_everybody(guarded):
    from lambent.delivery import own_pages
    from lambent.delivery.aws import Aws
    from lambent.delivery.problem import Problem

    class Nobody(Aws):
        @property
        def session(self):
            return boto3.Session("AKIA-nobody", "secret of nobody", region_name="us-east-1")

    for page in ("audit", "policy", "explain"):
        with pytest.raises(Problem, match="because no identity-based policy allows"):
            own_pages.ask(Nobody(guarded.url), page, [])


def test_explain_says_which_statement(guarded):
    def explained(principal, action=INVOKE, resource="open"):
        found = trail(
            guarded, page="explain", principal=principal, action=action, resource=resource
        )[0]
        return found["allowed"], found["policy"]

    assert explained("user/named") == (True, "policy 1 of user named")
    assert explained("user/denied") == (False, "policy 2 of user denied")
    assert explained("user/bounded") == (False, "the boundary of user bounded")
    assert explained("user/by-function") == (True, "the function's policy")
    assert explained("user/nobody") == (False, "")
    assert explained("role/caller", resource=FUNCTION) == (True, "policy 1 of role caller")
    guarded.function("explained")
    guarded.client.add_permission(
        FunctionName="explained", StatementId="a", Action="lambda:GetFunction", Principal=AFAR
    )
    visitor, lent = f"arn:aws:iam::{AFAR}:user/afar-both", f"{HERE}:function:explained"
    assert explained(visitor, "lambda:GetFunction", lent) == (True, "policy 1 of user afar-both")
    assert explained(visitor, INVOKE, lent) == (False, "")


def test_the_least_policy_is_what_was_seen(guarded):
    key, secret, token = guarded.invoke("keys")
    inside = client(
        guarded, "", aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token
    )
    inside.invoke(FunctionName="open", Payload=b"{}")
    found = trail(guarded, page="policy", function="keys")[0]
    statements = {one["Action"]: one["Resource"] for one in found["policy"]["Statement"]}
    assert statements[INVOKE] == [FUNCTION]
    assert found["calls"] >= 1
    assert {one["Sid"][:4] for one in found["policy"]["Statement"]} == {"Seen"}


TELLS = """
import json, os, socket, time
def handler(event, context):
    parts = dict(part.split("=") for part in os.environ["_X_AMZN_TRACE_ID"].split(";"))
    host, port = os.environ["AWS_XRAY_DAEMON_ADDRESS"].split(":")
    call = {"name": "dynamodb", "id": "00000000000000aa", "type": "subsegment",
            "namespace": "aws", "trace_id": parts["Root"], "parent_id": parts["Parent"],
            "start_time": time.time(), "end_time": time.time(),
            "aws": {"operation": "PutItem", "table_name": "orders", "region": "us-east-1"}}
    head = json.dumps({"format": "json", "version": 1})
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.sendto((head + "\\n" + json.dumps(call)).encode(), (host, int(port)))
"""


def test_calls_to_other_services_are_what_the_traces_tell(guarded):
    guarded.function("tells", TELLS, TracingConfig={"Mode": "Active"})
    guarded.invoke("tells")
    found = trail(guarded, page="policy", function="tells")[0]
    assert found["told"] == 1
    assert found["policy"]["Statement"] == [
        {
            "Sid": "Told1",
            "Effect": "Allow",
            "Action": "dynamodb:PutItem",
            "Resource": [f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/orders"],
        }
    ]


def test_the_verbs(guarded):
    def run(*words):
        environ = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": "AKIA-admin",
            "AWS_SECRET_ACCESS_KEY": "secret of admin",
            "AWS_REGION": "us-east-1",
        }
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("lambent")),
                *words,
                *("--endpoint-url", guarded.url, "--json"),
            ],
            check=False,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, json.loads(done.stdout)

    refusal(client(guarded, "nobody").invoke, FunctionName="open", Payload=b"{}")
    code, found = run("audit", "open", "--errors")
    assert code == 0
    assert {one["errorCode"] for one in found["records"]} >= {"AccessDeniedException"}
    code, found = run("iam", "explain", "user/denied", INVOKE, "open")
    assert (code, found["allowed"], found["policy"]) == (1, False, "policy 2 of user denied")
    code, found = run("iam", "explain", "user/admin", INVOKE, "open")
    assert (code, found["allowed"]) == (0, True)
    code, found = run("iam", "policy-for", "no-such-function")
    assert (code, found["policy"]["Statement"]) == (0, [])


def test_neither_server_nor_function_leaves_a_core_file(guarded):
    source = (
        "import resource\ndef handler(e, c):\n    return resource.getrlimit(resource.RLIMIT_CORE)\n"
    )
    guarded.function("cores", source)
    assert guarded.invoke("cores") == [1, 1]
    limits = Path(f"/proc/{guarded.process.pid}/limits").read_text().splitlines()
    core = next(line for line in limits if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["1", "1"]


def test_variables_are_there_again_after_a_restart(start_server):
    first = start_server()
    first.function("kept", Environment={"Variables": {"PASSWORD": SECRET}})
    assert first.stop() == 0
    for file in first.data_dir.glob("lambent.sqlite*"):
        assert SECRET.encode() not in file.read_bytes()
    kept = start_server().client.get_function_configuration(FunctionName="kept")
    assert kept["Environment"] == {"Variables": {"PASSWORD": SECRET}}
