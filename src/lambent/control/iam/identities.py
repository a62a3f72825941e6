"""The identities that a server knows: users with keys, roles, and the policies they have.

They stand in one file, the setting `iam_file`, as JSON, YAML or TOML by its name's ending. It is
read once, at start, and refused whole when anything in it is wrong: a policy with a mistake must
not allow, and must not fail to deny. Who signed with which key is `keyring`'s question.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec
import yaml

from lambent.control.iam import document
from lambent.control.iam.document import MalformedPolicy, Policy
from lambent.errors import ConfigurationError

_NAME: Final = re.compile(r"[A-Za-z0-9+=,.@_/-]{1,576}")
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_FIX: Final = "docs/iam.md shows a whole file"


@dataclass(frozen=True, slots=True)
class Grants:
    """What an identity's own policies say."""

    policies: tuple[Policy, ...] = ()
    boundaries: tuple[Policy, ...] = ()
    """A permissions boundary, if there is one."""


@dataclass(frozen=True, slots=True)
class User:
    name: str
    account: str
    grants: Grants
    keys: Mapping[str, str] = field(repr=False)
    """Access key id → secret access key."""

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:user/{self.name}"


@dataclass(frozen=True, slots=True)
class Role:
    name: str
    account: str
    grants: Grants
    trust: Policy | None
    """None: Lambda may assume it, and nobody else."""

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account}:role/{self.name}"


@dataclass(frozen=True, slots=True)
class Identities:
    """All of a file."""

    users: Mapping[str, User]
    """By ARN."""
    roles: Mapping[str, Role]
    """By ARN."""
    organization: str = ""
    """`o-…`, of every identity in the file; empty for none."""


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="pascal"):
    """A user or a role as written; documents may stand by name or in full."""

    policies: list[str | dict[str, Any]] = []
    boundary: str | dict[str, Any] | None = None
    account: str = ""


class _User(_Entry, frozen=True, forbid_unknown_fields=True, rename="pascal"):
    access_keys: dict[str, str] = {}


class _Role(_Entry, frozen=True, forbid_unknown_fields=True, rename="pascal"):
    trust: dict[str, Any] | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="pascal"):
    users: dict[str, _User] = {}
    roles: dict[str, _Role] = {}
    policies: dict[str, dict[str, Any]] = {}
    """Documents by name, which users and roles refer to."""
    organization_id: str = ""


def load(path: Path, account: str) -> Identities:
    """Raises `ConfigurationError`. `account` is of identities that name none."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        _refuse(path, f"cannot be read: {error}")
    try:
        given = msgspec.convert(_decoded(path, text), _File)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        _refuse(path, str(error))
    try:
        return _Reader(given, account).read()
    except MalformedPolicy as error:
        _refuse(path, str(error))


def _decoded(path: Path, text: str) -> Any:
    if path.suffix == ".toml":
        return tomllib.loads(text)
    if path.suffix in {".yaml", ".yml"}:
        return _plain(yaml.safe_load(text))
    return msgspec.json.decode(text)


def _plain(value: Any) -> Any:
    """YAML reads `Version: 2012-10-17` as a date, where a policy means text."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def _refuse(path: Path, why: str) -> NoReturn:
    raise ConfigurationError(f"iam_file {path}: {why}", code="IAM_FILE_INVALID", fix=_FIX)


class _Reader:
    """From what is written to what is asked."""

    def __init__(self, given: _File, account: str) -> None:
        self._given = given
        self._account = account

    def read(self) -> Identities:
        users = [self._user(name, one) for name, one in self._given.users.items()]
        roles = [self._role(name, one) for name, one in self._given.roles.items()]
        keys = [key for user in users for key in user.keys]
        if len(keys) != len(set(keys)):
            raise MalformedPolicy("an access key belongs to two users")
        return Identities(
            {user.arn: user for user in users},
            {role.arn: role for role in roles},
            self._given.organization_id,
        )

    def _user(self, name: str, given: _User) -> User:
        for key, secret in given.access_keys.items():
            if not key or not secret or key.startswith("ASIA"):
                raise MalformedPolicy(
                    f"user {name} has an access key that is empty, or begins as session keys do"
                )
        account = self._account_of(name, given)
        return User(name, account, self._grants(f"user {name}", given), given.access_keys)

    def _role(self, name: str, given: _Role) -> Role:
        trust = None
        if given.trust is not None:
            trust = document.read(f"the trust policy of role {name}", given.trust)
        account = self._account_of(name, given)
        return Role(name, account, self._grants(f"role {name}", given), trust)

    def _account_of(self, name: str, given: _Entry) -> str:
        account = given.account or self._account
        if not _NAME.fullmatch(name):
            raise MalformedPolicy(f"{name!r} is no name for a user or role")
        if not _ACCOUNT.fullmatch(account):
            raise MalformedPolicy(f"{account!r}, the Account of {name}, is not 12 digits")
        return account

    def _grants(self, whose: str, given: _Entry) -> Grants:
        policies = tuple(
            self._document(f"policy {number} of {whose}", one)
            for number, one in enumerate(given.policies, 1)
        )
        bounds: tuple[Policy, ...] = ()
        if given.boundary is not None:
            bounds = (self._document(f"the boundary of {whose}", given.boundary),)
        return Grants(policies, bounds)

    def _document(self, name: str, given: str | dict[str, Any]) -> Policy:
        if isinstance(given, dict):
            return identity_policy(name, given)
        if given not in self._given.policies:
            raise MalformedPolicy(f"{name} is '{given}', which Policies does not have")
        return identity_policy(f"policy {given}", self._given.policies[given])


def identity_policy(name: str, given: str | dict[str, Any]) -> Policy:
    """A policy that an identity has; raises `MalformedPolicy`."""
    policy = document.read(name, given)
    for statement in policy.statements:
        if statement.principals is not None:
            raise MalformedPolicy(f"{name} names a Principal, which only a resource's policy does")
        if not statement.resources:
            raise MalformedPolicy(f"a statement of {name} names no Resource")
    return policy
