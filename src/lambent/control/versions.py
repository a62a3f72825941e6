"""PublishVersion and ListVersionsByFunction.

A published version is `$LATEST` as it stands, frozen under the next number. Publishing the same
code and configuration again gives the version that is already there. `$LATEST.PUBLISHED` is the
one published version that is replaced instead (PublishTo=LATEST_PUBLISHED).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from lambent.clock import Clock
from lambent.control import answers, revisions, state
from lambent.control.bundle import Bundle
from lambent.control.names import Scope, latest_only, not_found_text, resolve, version_name
from lambent.control.paging import page
from lambent.control.registry import Registry
from lambent.control.requests import ListVersionsByFunction, PublishVersion
from lambent.errors import InvalidParameterValue, ResourceNotFound
from lambent.store.records import LATEST, LATEST_PUBLISHED, Version


class Versions:
    """What can be done with the published versions of a function."""

    def __init__(self, registry: Registry, clock: Clock, new_id: Callable[[], str]) -> None:
        self._registry = registry
        self._clock = clock
        self._new_id = new_id

    async def publish(self, scope: Scope, request: PublishVersion) -> answers.FunctionConfiguration:
        """PublishVersion, guarded by the code's digest or the revision where they are given."""
        name = latest_only(scope, request.function_name, operation="PublishVersion")

        def rule(old: Bundle | None) -> tuple[Bundle, answers.FunctionConfiguration]:
            if old is None:
                raise ResourceNotFound(not_found_text(scope, name))
            state.advance(old.latest, state.Event.PUBLISH, old.arn)
            _check_code(request.code_sha256, old.latest)
            revisions.check(request.revision_id, old.latest.revision_id)
            bundle, version = published(
                old,
                self._clock.time_ms(),
                self._new_id,
                request.description,
                to_latest=request.publish_to is not None,
            )
            number = version_name(version.number)
            return bundle, answers.configuration(bundle.function, version, number)

        return await self._registry.change(scope, name, rule)

    async def list(self, scope: Scope, request: ListVersionsByFunction) -> answers.VersionList:
        """ListVersionsByFunction: `$LATEST` first, then by number."""
        name = resolve(scope, request.function_name, operation="ListVersionsByFunction").name
        bundle = self._registry.get(scope, name)
        if bundle is None:
            raise ResourceNotFound(not_found_text(scope, name))
        shown, marker = page(
            bundle.versions.values(), lambda v: [_place(v)], request.marker, request.max_items
        )
        return answers.VersionList(
            versions=[
                answers.configuration(
                    bundle.function, version, version_name(version.number), listed=True
                )
                for version in shown
            ],
            next_marker=marker,
        )


def published(
    bundle: Bundle,
    time_ms: int,
    new_id: Callable[[], str],
    description: str | None = None,
    *,
    to_latest: bool = False,
) -> tuple[Bundle, Version]:
    """The bundle with `$LATEST` published, and the version; the newest one if nothing changed.

    `to_latest` makes or replaces `$LATEST.PUBLISHED` and uses no number.
    """
    last = bundle.function.last_version
    newest = bundle.versions.get(LATEST_PUBLISHED if to_latest else last)
    if newest is not None and _same(newest, bundle.latest):
        return bundle, newest
    if to_latest and newest is not None and newest.state == "Active":
        return _republished(bundle, newest, time_ms, new_id)
    number = LATEST_PUBLISHED if to_latest else last + 1
    version = state.pending(
        Version(
            number=number,
            configuration=bundle.latest.configuration,
            code=bundle.latest.code,
            revision_id=new_id(),
            generation=new_id(),
            modified_ms=time_ms,
            state="Pending",
            published_description=description,
        )
    )
    if not to_latest:
        function = msgspec.structs.replace(bundle.function, last_version=number)
        bundle = bundle.with_function(function)
    return bundle.with_version(version), version


def _republished(
    bundle: Bundle, old: Version, time_ms: int, new_id: Callable[[], str]
) -> tuple[Bundle, Version]:
    """`$LATEST.PUBLISHED` as `$LATEST` is now; the old one serves until the new one can."""
    version = msgspec.structs.replace(
        state.updating(old, bundle.arn),
        configuration=bundle.latest.configuration,
        code=bundle.latest.code,
        revision_id=new_id(),
        generation=new_id(),
        modified_ms=time_ms,
    )
    return bundle.with_version(version), version


def _place(version: Version) -> float:
    """`$LATEST` first, then `$LATEST.PUBLISHED`, then by number."""
    return 0.5 if version.number == LATEST_PUBLISHED else version.number


def _same(version: Version, latest: Version) -> bool:
    """A version with number 0 would be `$LATEST` itself, which is no published one."""
    return (
        version.number != LATEST
        and version.configuration == latest.configuration
        and version.code == latest.code
    )


def _check_code(given: str | None, latest: Version) -> None:
    code = latest.code
    current = code.sha256 if code.image_uri else answers.code_sha256(code.sha256)
    if given is not None and given != current:
        raise InvalidParameterValue(
            f"CodeSHA256 ({given}) is different from current CodeSHA256 in $LATEST ({current}). "
            "Please try again with the CodeSHA256 in $LATEST."
        )
