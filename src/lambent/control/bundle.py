"""A function with its versions and aliases, as one immutable value.

A rule takes the old bundle and returns the new one; `registry` writes the difference and swaps
them after the commit. Nobody ever sees half a change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

import apsw

from lambent.control.names import LATEST as LATEST_NAME
from lambent.control.names import Scope, not_found_text, version_number
from lambent.errors import InvalidParameterValue, ResourceNotFound
from lambent.store import aliases, functions, versions
from lambent.store.records import LATEST, Alias, Function, Version

SqlChange: TypeAlias = Callable[[apsw.Connection], None]


@dataclass(frozen=True, slots=True)
class Bundle:
    function: Function
    versions: Mapping[int, Version]
    """By number; `$LATEST` is 0 and always there."""
    aliases: Mapping[str, Alias] = field(default_factory=dict)

    @property
    def latest(self) -> Version:
        return self.versions[LATEST]

    @property
    def scope(self) -> Scope:
        return Scope(self.function.account, self.function.region)

    @property
    def arn(self) -> str:
        """Unqualified."""
        return self.scope.arn(self.function.name)

    def with_function(self, function: Function) -> Bundle:
        return replace(self, function=function)

    def with_version(self, version: Version) -> Bundle:
        return replace(self, versions={**self.versions, version.number: version})

    def without_version(self, number: int) -> Bundle:
        return replace(self, versions={n: v for n, v in self.versions.items() if n != number})

    def with_alias(self, alias: Alias) -> Bundle:
        return replace(self, aliases={**self.aliases, alias.name: alias})

    def without_alias(self, name: str) -> Bundle:
        return replace(self, aliases={n: a for n, a in self.aliases.items() if n != name})

    def refuse_tenants(self, what: str) -> None:
        """For what does not go with TenancyConfig, which a function has from its creation on."""
        if self.latest.configuration.tenant_isolation:
            raise InvalidParameterValue(f"{what} not supported for functions with TenancyConfig.")

    def find(self, qualifier: str | None) -> Version:
        """The version that a qualifier means, an alias by its own version; raises AWS's 404."""
        alias = self.aliases.get(qualifier) if qualifier else None
        number = version_number(qualifier if alias is None else alias.version)
        version = None if number is None else self.versions.get(number)
        if version is None:
            raise ResourceNotFound(not_found_text(self.scope, self.function.name, qualifier))
        return version

    def packages(self) -> Iterator[str]:
        """Digests of what its versions run: code and layers, one for each use."""
        for version in self.versions.values():
            yield from packages(version)


def difference(
    old: Bundle | None, new: Bundle | None, seal: Callable[[Version], Version] = lambda it: it
) -> list[SqlChange]:
    """The SQL that makes the stored `old` into `new`; `seal` makes a version what is kept of it."""
    if new is None:
        if old is None:
            return []
        gone = old.function
        return [lambda c: functions.delete(c, gone.account, gone.region, gone.name)]
    key = (*new.scope, new.function.name)
    changes: list[SqlChange] = []
    if old is None or old.function != new.function:
        changes.append(partial(_put_function, new.function))
    old_versions = {} if old is None else old.versions
    old_aliases = {} if old is None else old.aliases
    for number, version in new.versions.items():
        if old_versions.get(number) is not version:
            changes.append(partial(_put_version, key, seal(version)))
    for name, alias in new.aliases.items():
        if old_aliases.get(name) is not alias:
            changes.append(partial(_put_alias, key, alias))
    changes.extend(partial(_delete_version, key, n) for n in old_versions.keys() - new.versions)
    changes.extend(partial(_delete_alias, key, n) for n in old_aliases.keys() - new.aliases)
    return changes


def routed_versions(alias: Alias) -> set[str]:
    """Every version that an alias may send calls to."""
    return {alias.version, *alias.weights}


def packages(version: Version) -> Iterator[str]:
    """Digests of the code (package or image) and the layers of one version."""
    yield version.code.sha256
    if version.served_code is not None:
        yield version.served_code.sha256
    for use in version.configuration.layers:
        yield use.sha256


def is_latest(qualifier: str | None) -> bool:
    return qualifier is None or qualifier == LATEST_NAME


_Key: TypeAlias = tuple[str, str, str]


def _put_function(function: Function, connection: apsw.Connection) -> None:
    functions.put(connection, function)


def _put_version(key: _Key, version: Version, connection: apsw.Connection) -> None:
    versions.put(connection, *key, version)


def _put_alias(key: _Key, alias: Alias, connection: apsw.Connection) -> None:
    aliases.put(connection, *key, alias)


def _delete_version(key: _Key, number: int, connection: apsw.Connection) -> None:
    versions.delete(connection, *key, number)


def _delete_alias(key: _Key, name: str, connection: apsw.Connection) -> None:
    aliases.delete(connection, *key, name)
