"""`K=V` arguments, as `-e`, `--parameter` and `--label` take them."""

from __future__ import annotations

from collections.abc import Iterable

from lambent.delivery.problem import USAGE, Problem


def pairs(flag: str, items: Iterable[str]) -> dict[str, str]:
    """The values by their keys; raises what a user reads who left out the `=`."""
    found = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not key or not equals:
            raise Problem(
                "USAGE", f"{flag} {item}: not K=V", fix=f"{flag} KEY=VALUE", exit_code=USAGE
            )
        found[key] = value
    return found
