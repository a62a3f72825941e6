"""The file of users and roles: three notations, one meaning, and no mistake let through."""

import json

import pytest
import yaml

from lambent.control.iam.identities import load
from lambent.errors import ConfigurationError

ALLOW = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
GOOD = {
    "OrganizationId": "o-1",
    "Policies": {"all": ALLOW},
    "Users": {"ada": {"AccessKeys": {"AKIA1": "s"}, "Policies": ["all", ALLOW], "Boundary": "all"}},
    "Roles": {"team/worker": {"Account": "111122223333", "Policies": ["all"]}},
}
TOML = """
OrganizationId = "o-1"
[Policies.all]
Version = "2012-10-17"
Statement = {Effect = "Allow", Action = "*", Resource = "*"}
[Users.ada]
Policies = ["all", {Version = "2012-10-17", Statement = {Effect = "Allow", Action = "*", Resource = "*"}}]
Boundary = "all"
AccessKeys = {AKIA1 = "s"}
[Roles."team/worker"]
Account = "111122223333"
Policies = ["all"]
"""
WRITTEN = {
    "iam.json": json.dumps(GOOD),
    "iam.yaml": yaml.safe_dump(GOOD).replace("'2012-10-17'", "2012-10-17"),
    "iam.toml": TOML,
}


def loaded(tmp_path, text, name="iam.json"):
    path = tmp_path / name
    path.write_text(text)
    return load(path, "123456789012")


@pytest.mark.parametrize("name", WRITTEN)
def test_notations(tmp_path, name):
    found = loaded(tmp_path, WRITTEN[name], name)
    user = found.users["arn:aws:iam::123456789012:user/ada"]
    assert user.keys == {"AKIA1": "s"}
    assert [p.name for p in user.grants.policies] == ["policy all", "policy 2 of user ada"]
    assert [p.name for p in user.grants.boundaries] == ["policy all"]
    assert list(found.roles) == ["arn:aws:iam::111122223333:role/team/worker"]
    assert found.organization == "o-1"
    assert "AKIA1" not in repr(user)


def bad(**changes):
    return json.dumps({**GOOD, **changes})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "truncated|malformed"),
        (bad(User={}), "unknown field `User`"),
        (bad(Users={"a": {"Policies": ["none"]}}), "'none', which Policies does not have"),
        (bad(Users={"a": {"Account": "12"}}), "is not 12 digits"),
        (bad(Users={"a b": {}}), "no name for a user"),
        (bad(Users={"a": {"AccessKeys": {"K": ""}}}), "access key that is empty"),
        (bad(Users={"a": {"AccessKeys": {"ASIA1": "s"}}}), "begins as session keys do"),
        (
            bad(Users={"a": {"AccessKeys": {"K": "1"}}, "b": {"AccessKeys": {"K": "2"}}}),
            "belongs to two users",
        ),
        (
            bad(Users={"a": {"Policies": [{"Statement": {"Effect": "Allow", "Action": "*"}}]}}),
            "names no Resource",
        ),
        (
            bad(Policies={"all": {"Statement": {**ALLOW["Statement"], "Principal": "*"}}}),
            "names a Principal",
        ),
        (
            bad(Policies={"all": {"Statement": {**ALLOW["Statement"], "Effect": "allow"}}}),
            "neither Allow nor Deny",
        ),
    ],
)
def test_mistakes_are_refused_whole(tmp_path, text, why):
    with pytest.raises(ConfigurationError, match=why) as caught:
        loaded(tmp_path, text)
    assert caught.value.code == "IAM_FILE_INVALID"


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(tmp_path / "none.json", "123456789012")
