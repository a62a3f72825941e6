"""The runtimes that AWS has, and until when: a table with its source and date.

`Catalog` is what `control.runtime_rules` asks; the server's composition root gives it the owner's
block policy. What the machine can run is another question: `interpreters.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from typing import Final, Literal

from lambent.runtimes import presence

SOURCE: Final = "https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html"
AS_OF: Final = date(2026, 11, 21)
"""AWS has moved such dates before."""

Change = Literal["create", "update"]
Family = Literal["python", "nodejs"]
"""Those that `init` writes projects for."""


class Standing(Enum):
    """What AWS makes of a runtime on a day."""

    FINE = "fine"
    DEPRECATED = "deprecated"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Runtime:
    """One row of AWS's table; None where AWS has named no date."""

    identifier: str
    family: str
    version: str
    operating_system: Literal["AL2", "AL2023"]
    deprecation: date | None = None
    block_create: date | None = None
    block_update: date | None = None


def _rows(
    family: str,
    identifiers: str,
    operating_system: Literal["AL2", "AL2023"],
    *dates: str,
) -> tuple[Runtime, ...]:
    """One row per identifier; AWS gives several of a family the same dates."""
    days = [date.fromisoformat(day) if day else None for day in dates] or [None] * 3
    stem = {"provided": "provided."}.get(family, family)
    return tuple(
        Runtime(name, family, name.removeprefix(stem), operating_system, *days)
        for name in identifiers.split()
    )


TABLE: Final[tuple[Runtime, ...]] = (
    *_rows("nodejs", "nodejs20.x", "AL2023", "2026-04-30", "2026-06-01", "2026-07-01"),
    *_rows("nodejs", "nodejs22.x", "AL2023", "2027-04-30", "2027-06-01", "2027-07-01"),
    *_rows("nodejs", "nodejs24.x", "AL2023"),
    *_rows("python", "python3.9", "AL2", "2025-12-15", "2026-06-01", "2026-07-01"),
    *_rows("python", "python3.10 python3.11", "AL2", "2026-06-30", "2026-07-31", "2026-08-31"),
    *_rows("python", "python3.12", "AL2023", "2028-10-31", "2028-11-30", "2029-01-10"),
    *_rows("python", "python3.13 python3.14", "AL2023", "2029-06-30", "2029-07-31", "2029-08-31"),
    *_rows("java", "java8.al2 java11 java17", "AL2", "2026-06-30", "2026-07-31", "2026-08-31"),
    *_rows("java", "java21 java25", "AL2023", "2029-06-30", "2029-07-31", "2029-08-31"),
    *_rows("dotnet", "dotnet8", "AL2023", "2026-11-10", "2026-12-10", "2027-01-11"),
    *_rows("dotnet", "dotnet9", "AL2023", "2026-11-10", "", ""),
    *_rows("dotnet", "dotnet10", "AL2023"),
    *_rows("ruby", "ruby3.2", "AL2", "2026-03-31", "2026-06-01", "2026-07-01"),
    *_rows("ruby", "ruby3.3", "AL2023", "2027-03-31", "2027-04-30", "2027-05-31"),
    *_rows("ruby", "ruby3.4", "AL2023", "2028-03-31", "2028-04-30", "2028-05-31"),
    *_rows("provided", "provided.al2023", "AL2023", "2029-06-30", "2029-07-31", "2029-08-31"),
    *_rows("provided", "provided.al2", "AL2", "2026-06-30", "2026-07-31", "2026-08-31"),
)

BY_IDENTIFIER: Final = {runtime.identifier: runtime for runtime in TABLE}

GONE: Final = frozenset({
    "nodejs", "nodejs4.3", "nodejs4.3-edge", "nodejs6.10", "nodejs8.10", "nodejs10.x",
    "nodejs12.x", "nodejs14.x", "nodejs16.x", "nodejs18.x", "python2.7", "python3.6", "python3.7",
    "python3.8", "java8", "dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1", "dotnetcore3.1",
    "dotnet6", "go1.x", "ruby2.5", "ruby2.7", "provided",
})  # fmt: skip
"""Identifiers that the service model still knows and AWS's table of supported runtimes does not."""

ENUM_ORDER: Final = (
    "nodejs20.x", "python3.14", "provided.al2023", "python3.12", "python3.13", "nodejs24.x",
    "nodejs22.x", "java25", "python3.10", "python3.11", "java21", "ruby3.3", "ruby3.4", "ruby3.2",
    "python3.8", "python3.9", "java17", "nodejs16.x", "dotnet10", "dotnet8", "java11", "dotnet6",
    "nodejs18.x", "provided.al2", "java8.al2",
)  # fmt: skip
"""As AWS prints its enum value set (early 2026)."""


def standing(runtime: str, day: date, change: Change) -> Standing:
    """What AWS would say to this change on this day; an identifier without dates is fine."""
    if runtime in GONE:
        return Standing.BLOCKED
    row = BY_IDENTIFIER.get(runtime)
    if row is None:
        return Standing.FINE
    block = row.block_create if change == "create" else row.block_update
    if block is not None and day >= block:
        return Standing.BLOCKED
    if row.deprecation is not None and day >= row.deprecation:
        return Standing.DEPRECATED
    return Standing.FINE


def blocked_message(runtime: str) -> str:
    """AWS's text (LAMBDA.md 22)."""
    return (
        f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS "
        "Lambda functions. We recommend you use a supported runtime while creating or updating "
        "functions."
    )


def version_arn(runtime: str, region: str) -> str:
    """A RuntimeVersionArn that depends on the runtime alone, as AWS's do until a new version."""
    digest = hashlib.sha256(f"lambent runtime {runtime}".encode()).hexdigest()
    return f"arn:aws:lambda:{region}::runtime:{digest}"


def accepted(day: date, family: Family = "python") -> tuple[str, ...]:
    """Runtimes of a family that AWS creates functions with on this day, newest first."""
    names = [row.identifier for row in TABLE if row.family == family]
    fine = [name for name in names if standing(name, day, "create") is not Standing.BLOCKED]
    return tuple(sorted(fine, key=_minor, reverse=True))


def newest_present(among: Collection[str]) -> str | None:
    """The newest of `among`, runtimes of one family, that has an interpreter on this machine."""
    for name in sorted(among, key=_minor, reverse=True):
        if presence.version(name) is not None:
            return name
    return None


def _minor(runtime: str) -> int:
    """What counts within a family: 13 of `python3.13`, 22 of `nodejs22.x`."""
    if runtime.startswith("nodejs"):
        minor = runtime.removeprefix("nodejs").removesuffix(".x")
    else:
        _, _, minor = runtime.rpartition(".")
    return int(minor) if runtime.startswith(("python3.", "nodejs")) and minor.isdigit() else -1


@dataclass(frozen=True, slots=True)
class Catalog:
    """`control.runtime_rules.Runtimes`, with the owner's policy applied."""

    policy: Literal["enforce", "warn"] = "warn"

    def is_blocked(self, runtime: str, change: Change, time_ms: int) -> bool:
        """Whether the change is to be refused; with `warn`, an owner may run what they like.

        What neither AWS nor anybody else offers any more is refused by AWS's text all the same.
        """
        if self.policy == "warn":
            return runtime in GONE and runtime not in ENUM_ORDER
        return self.standing(runtime, change, time_ms) is Standing.BLOCKED

    def standing(self, runtime: str, change: Change, time_ms: int) -> Standing:
        """The same whatever the policy, for whoever warns."""
        return standing(runtime, datetime.fromtimestamp(time_ms / 1000, UTC).date(), change)

    def version_arn(self, runtime: str, region: str) -> str:
        return version_arn(runtime, region)
