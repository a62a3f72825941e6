"""What hangs on a function, a version or an alias: found by qualifier, and its RevisionId renewed.

Policies, event invoke configs, URLs, tags and runtime management are kept with the function
(`store/records.Function`) under the qualifier they were given for; `$LATEST` stands for none.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from lambent.control.bundle import Bundle
from lambent.control.names import LATEST, not_found_text, version_number
from lambent.errors import ResourceNotFound


def place(qualifier: str | None) -> str:
    """The key under which something is kept."""
    return qualifier or LATEST


def has(bundle: Bundle, qualifier: str | None) -> bool:
    """Whether the qualifier means a version or an alias that exists."""
    if qualifier in bundle.aliases:
        return True
    number = version_number(qualifier)
    return number is not None and number in bundle.versions


def require(bundle: Bundle, qualifier: str | None) -> None:
    """Raises AWS's 404 for a version or an alias that does not exist."""
    if has(bundle, qualifier):
        return
    if qualifier is not None and not qualifier.isdigit() and not qualifier.startswith("$"):
        raise ResourceNotFound(f"Cannot find alias arn: {bundle.arn}:{qualifier}")
    raise ResourceNotFound(not_found_text(bundle.scope, bundle.function.name, qualifier))


def revision(bundle: Bundle, qualifier: str | None) -> str:
    """The RevisionId of what a qualifier means; it must exist."""
    alias = bundle.aliases.get(qualifier or "")
    return alias.revision_id if alias else bundle.find(qualifier).revision_id


def renewed(bundle: Bundle, qualifier: str | None, new_id: Callable[[], str]) -> Bundle:
    """The same with a new RevisionId there: whatever hangs on it has changed."""
    alias = bundle.aliases.get(qualifier or "")
    if alias is not None:
        return bundle.with_alias(msgspec.structs.replace(alias, revision_id=new_id()))
    version = bundle.find(qualifier)
    return bundle.with_version(msgspec.structs.replace(version, revision_id=new_id()))


def changed(bundle: Bundle, **values: object) -> Bundle:
    """With other values of the function's record."""
    return bundle.with_function(msgspec.structs.replace(bundle.function, **values))


def without(bundle: Bundle, qualifier: str) -> Bundle:
    """Nothing hangs there any more: a version or an alias was deleted, and its URL goes with it."""
    function = bundle.function
    return changed(
        bundle,
        **{
            member: {k: v for k, v in getattr(function, member).items() if k != qualifier}
            for member in ("policies", "event_invokes", "urls", "runtime_managements")
        },
    )
