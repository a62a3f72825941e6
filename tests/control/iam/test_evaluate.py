"""Decisions with the outcomes that AWS documents ("Policy evaluation logic")."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambent.control.iam import document
from lambent.control.iam.evaluate import Applicable, evaluate
from lambent.control.iam.query import Principal, Query

ACCOUNT = "123456789012"
ARN = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"
USER = Principal(f"arn:aws:iam::{ACCOUNT}:user/ann", ACCOUNT)
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
SESSION = Principal(f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s", ACCOUNT, role_arn=ROLE)
STRANGER = Principal("arn:aws:iam::999999999999:user/eve", "999999999999")
ROOT = f"arn:aws:iam::{ACCOUNT}:root"


def policy(effect="Allow", action="lambda:InvokeFunction", resource=ARN, **more):
    statement = {"Sid": f"{effect}1", "Effect": effect, "Action": action, "Resource": resource}
    return document.read("p", {"Version": "2012-10-17", "Statement": [statement | more]})


def decide(principal=USER, action="lambda:InvokeFunction", context=None, **policies):
    query = Query(principal, action, ARN, context or {})
    return evaluate(query, Applicable(resource_account=ACCOUNT, **policies))


OWNER = Principal(ROOT, ACCOUNT)


def all_but(*names):
    return policy("Deny", NotPrincipal={"AWS": list(names)})


def grant(principal):
    return policy(Principal=principal)


@pytest.mark.parametrize(
    ("principal", "policies", "allowed"),
    [
        (USER, {}, False),
        (USER, {"identity": [policy()]}, True),
        (USER, {"identity": [policy(), policy("Deny")]}, False),
        (USER, {"identity": [policy()], "resource": [policy("Deny", Principal="*")]}, False),
        # A boundary allows nothing by itself, and bounds what identity policies allow.
        (USER, {"boundaries": [policy()]}, False),
        (USER, {"identity": [policy()], "boundaries": [policy()]}, True),
        (USER, {"identity": [policy()], "boundaries": [policy(action="s3:*")]}, False),
        (USER, {"identity": [policy()], "session": [policy(action="s3:*")]}, False),
        # A resource's policy is enough in its own account, unless it only names the account.
        (USER, {"resource": [grant("*")]}, True),
        (USER, {"resource": [grant({"AWS": USER.arn})]}, True),
        (USER, {"resource": [grant({"AWS": ROOT})]}, False),
        (USER, {"resource": [grant({"AWS": ACCOUNT})], "identity": [policy()]}, True),
        (SESSION, {"resource": [grant({"AWS": ROLE})]}, True),
        (SESSION, {"resource": [grant({"AWS": ROLE})], "session": [policy(action="s3:*")]}, False),
        (SESSION, {"resource": [grant({"AWS": SESSION.arn})], "session": [policy(action="s3:*")]}, True),
        # A Deny of all but some spares who is named with everything that it is.
        (USER, {"identity": [policy()], "resource": [all_but(USER.arn, ROOT)]}, True),
        (USER, {"identity": [policy()], "resource": [all_but(USER.arn)]}, False),
        (USER, {"identity": [policy()], "resource": [all_but(ROOT)]}, False),
        (SESSION, {"identity": [policy()], "resource": [all_but(SESSION.arn, ROLE, ACCOUNT)]}, True),
        (SESSION, {"identity": [policy()], "resource": [all_but(ROLE, ROOT)]}, False),
        (OWNER, {"identity": [policy()], "resource": [all_but(ROOT)]}, True),
        (STRANGER, {"identity": [policy()], "resource": [grant("*"), all_but(USER.arn, ROOT)]}, False),
        (Principal(), {"resource": [grant("*"), all_but(USER.arn, ROOT)]}, False),
        (Principal(service="s3.amazonaws.com"),
         {"resource": [grant("*"), policy("Deny", NotPrincipal={"Service": "s3.amazonaws.com"})]}, True),
        # Between accounts both sides must allow.
        (STRANGER, {"identity": [policy()]}, False),
        (STRANGER, {"resource": [grant({"AWS": STRANGER.arn})]}, False),
        (STRANGER, {"resource": [grant({"AWS": "999999999999"})], "identity": [policy()]}, True),
        # Services and strangers without a name have no policies of their own.
        (Principal(service="s3.amazonaws.com"), {"resource": [grant({"Service": "s3.amazonaws.com"})]}, True),
        (Principal(service="sns.amazonaws.com"), {"resource": [grant({"Service": "s3.amazonaws.com"})]}, False),
        (Principal(), {"resource": [grant("*")]}, True),
        (Principal(), {"resource": [grant({"AWS": ROOT})]}, False),
        (Principal(), {"identity": [policy()]}, False),
    ],
)  # fmt: skip
def test_who_may(principal, policies, allowed):
    assert decide(principal, **policies).allowed is allowed


def test_a_decision_names_its_statement():
    found = decide(identity=[policy(), policy("Deny")])
    assert (found.allowed, found.policy, found.sid) == (False, "p", "Deny1")
    assert "explicit deny" in found.why
    assert decide(identity=[policy()]).sid == "Allow1"


@pytest.mark.parametrize(
    ("element", "allowed"),
    [
        ({"Action": "lambda:*"}, True),
        ({"Action": "LAMBDA:invokefunction"}, True),
        ({"Action": "lambda:Invoke*"}, True),
        ({"Action": "lambda:Invoke?unction"}, True),
        ({"Action": "lambda:Invoke"}, False),
        ({"Resource": "*"}, True),
        ({"Resource": "arn:aws:lambda:*:*:function:*"}, True),
        ({"Resource": "arn:aws:lambda:*"}, True),
        ({"Resource": "arn:aws:lambda:us-east-1:*"}, True),
        ({"Resource": "arn:*:function:f"}, False),  # a wildcard does not cross a colon
        ({"Resource": f"{ARN}:*"}, False),
        ({"Resource": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:F"}, False),
    ],
)
def test_wildcards(element, allowed):
    statement = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": ARN} | element
    assert decide(identity=[document.read("p", {"Statement": statement})]).allowed is allowed


def test_not_action_and_not_resource_leave_out():
    statement = {"Effect": "Allow", "NotAction": "iam:*", "NotResource": f"{ARN}2"}
    assert decide(identity=[document.read("p", {"Statement": statement})]).allowed
    assert not decide(
        action="iam:GetUser", identity=[document.read("p", {"Statement": statement})]
    ).allowed


def test_variables_stand_for_text_and_never_for_wildcards():
    own = policy(resource="arn:aws:lambda:us-east-1:*:function:${aws:username}")
    assert decide(identity=[own], context={"aws:username": ["f"]}).allowed
    assert not decide(identity=[own], context={"aws:username": ["*"]}).allowed
    assert not decide(identity=[own]).allowed
    default = policy(resource="arn:aws:lambda:us-east-1:*:function:${aws:username, 'f'}")
    assert decide(identity=[default]).allowed
    old = document.read(
        "p",
        {
            "Version": "2008-10-17",
            "Statement": {
                "Effect": "Allow",
                "Action": "lambda:InvokeFunction",
                "Resource": "arn:aws:lambda:us-east-1:*:function:${aws:username}",
            },
        },
    )
    assert not decide(identity=[old], context={"aws:username": ["f"]}).allowed


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"Version":"2013-01-01","Statement":[]}',
        '{"Statement":["x"]}',
        '{"Statement":{"Effect":"Maybe","Action":"*","Resource":"*"}}',
        '{"Statement":{"Effect":"Allow","Resource":"*"}}',
        '{"Statement":{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}}',
        '{"Statement":{"Effect":"Allow","Action":"*","Ressource":"*"}}',
        '{"Statement":{"Effect":"Allow","Action":[1],"Resource":"*"}}',
        '{"Statement":{"Effect":"Allow","Action":"*","Condition":{"StringIs":{"a":"b"}}}}',
        '{"Statement":{"Effect":"Allow","Action":"*","Condition":{"StringEquals":["a"]}}}',
        '{"Statement":{"Effect":"Allow","Action":"*","Principal":"ann"}}',
    ],
)
def test_a_document_with_a_mistake_is_refused_whole(text):
    with pytest.raises(document.MalformedPolicy):
        document.read("p", text)


STATEMENTS = st.builds(
    lambda effect, action, resource: {"Effect": effect, "Action": action, "Resource": resource},
    st.sampled_from(["Allow", "Deny"]),
    st.sampled_from(["*", "lambda:*", "lambda:InvokeFunction", "s3:*"]),
    st.sampled_from(["*", ARN, f"{ARN}:1", "arn:aws:lambda:*"]),
)


@given(
    groups=st.fixed_dictionaries(
        {name: st.lists(STATEMENTS, max_size=4) for name in ("identity", "boundaries", "session")}
    ),
    resource=st.lists(STATEMENTS, max_size=4),
    denied=st.sampled_from(["identity", "boundaries", "session", "resource"]),
    principal=st.sampled_from([USER, SESSION, STRANGER, Principal(), Principal(service="s3")]),
)
def test_no_allow_survives_an_explicit_deny(groups, resource, denied, principal):
    groups = {**groups, "resource": [{**one, "Principal": "*"} for one in resource]}
    groups[denied] = [*groups[denied], {"Effect": "Deny", "Action": "*", "Resource": "*"}]
    if denied == "resource":
        groups[denied][-1]["Principal"] = {"AWS": "*", "Service": "*"}
    read = {name: [document.read(name, {"Statement": s})] for name, s in groups.items() if s}
    assert not decide(principal, **read).allowed
