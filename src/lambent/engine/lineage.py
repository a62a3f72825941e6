"""Functions that invoke themselves, directly or around some corners: counted, and stopped.

Every function finds a `Lineage` in its trace header; AWS's SDKs send the header on, so that the
next invoke in the chain brings it back. `Lineage=1:<function>:<count>|<function>:<count>` says how
often each function has run in this chain before; the seventeenth run of one is refused (AWS Lambda
developer guide, "Use Lambda recursive loop detection"), unless the function allows loops. A call
without a lineage gets a constant suffix and nothing else.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import structlog

from lambent.errors import RecursiveInvocation

if TYPE_CHECKING:
    from lambent.control.targets import FunctionTargets

MARK: Final = ";Lineage="
MOST: Final = 16
"""How often a function runs in one chain."""
_FUNCTIONS_MAX: Final = 32
"""Entries that are kept: a caller's header does not grow without end."""

log = structlog.get_logger()


def suffix(function_arn: str) -> str:
    """What a function's trace header ends with when the call came without a lineage."""
    return f"{MARK}1:{_name(function_arn)}:0"


def follow(targets: FunctionTargets, header: str) -> str:
    """The header for a call that came with a lineage; raises where the chain must end."""
    before, _, rest = header.partition(MARK)
    lineage, semicolon, after = rest.partition(";")
    counts = _counts(lineage)
    name = _name(targets.arn)
    count = counts.pop(name, -1) + 1
    if count >= MOST and targets.recursive_loop == "Terminate":
        log.warning("function.recursive_loop_stopped", function=targets.arn, invokes=count)
        raise RecursiveInvocation(
            "Lambda has detected your function being invoked in a recursive loop with other Amazon "
            "Web Services resources and stopped your function's invocation."
        )
    counts[name] = count
    kept = list(counts.items())[-_FUNCTIONS_MAX:]
    shown = "|".join(f"{other}:{times}" for other, times in kept)
    return f"{before}{MARK}1:{shown}{semicolon}{after}"


def _name(function_arn: str) -> str:
    return hashlib.sha256(function_arn.encode()).hexdigest()[:8]


def _counts(lineage: str) -> dict[str, int]:
    """Function → runs so far; what a caller has garbled starts anew."""
    found: dict[str, int] = {}
    for entry in lineage.removeprefix("1:").split("|"):
        name, _, count = entry.partition(":")
        if len(name) == 8 and name.isalnum() and count.isascii() and count.isdigit():
            found[name] = int(count[:9])
    return found
