"""Everything that exists, in memory, and the one way to change it.

Reads are dictionary look-ups. A change runs a rule (a plain function from the old bundle to the
new one) under the lock of its account and region, writes the difference to the store, and only
after the commit swaps the bundle, tells the engine and starts what must follow: a new version
becomes Active, an update Successful, a package that nobody refers to is deleted. A caller that is
cancelled does not stop a change half-way.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeVar

import apsw
import msgspec
import structlog

from lambent.clock import Clock
from lambent.control import runnable, state
from lambent.control.bundle import Bundle, difference, packages
from lambent.control.envelopes import Envelopes, Owner, is_locked, unlocked
from lambent.control.image_store import ImageStore
from lambent.control.names import Scope, version_name
from lambent.control.targets import FunctionTargets, Prepared, Preparer, TargetListener
from lambent.errors import LambentError, TooManyRequests
from lambent.own_tags import Snapshots
from lambent.store import aliases, functions, versions
from lambent.store.artifacts import Artifacts
from lambent.store.database import Database
from lambent.store.records import LATEST, Version

T = TypeVar("T")

log = structlog.get_logger("lambent.control")

RETRY_S = 1.0
"""Until a transition that the store refused, for instance for a full disk, is tried again."""
LOCKED_S = 10.0
"""Until KMS is asked again for what it did not open."""
GRACE_S = 3_600.0
"""How long an unused package stays: an environment of the old version may still be running it."""


class Key(NamedTuple):
    scope: Scope
    name: str


class Registry:
    """The bundles of all accounts and regions."""

    def __init__(
        self,
        database: Database,
        artifacts: Artifacts,
        listener: TargetListener,
        clock: Clock,
        new_id: Callable[[], str],
        state_delay_s: float,
        preparer: Preparer | None = None,
        snapshots: Snapshots = "published",
        snapshot_creations: int = 100,
        images: ImageStore | None = None,
        envelopes: Envelopes | None = None,
    ) -> None:
        """`preparer` makes the snapshots of versions that want one; `snapshots`: who may.

        `snapshot_creations`: how many of an account and region are made at a time. `envelopes`:
        what seals environment variables with KMS, where there is one.
        """
        self.envelopes = envelopes
        self._preparer = preparer
        self._snapshots = snapshots
        self._snapshot_creations = snapshot_creations
        self._images = images
        self._database = database
        self._artifacts = artifacts
        self._listener = listener
        self._clock = clock
        self._new_id = new_id
        self._state_delay_s = state_delay_s
        self._scopes: dict[Scope, dict[str, Bundle]] = {}
        self._numbers: dict[tuple[str, str, str], int] = {}
        self._locks: dict[Scope, asyncio.Lock] = {}
        self._pushed: dict[Key, FunctionTargets] = {}
        self._uses: Counter[str] = Counter()
        self._touched: dict[str, float] = {}
        self._storing = 0
        self._removing = asyncio.Lock()
        self._changing: set[asyncio.Task[Any]] = set()
        self._waiting: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Load everything, complete what a kill interrupted, and tell the engine what it may run."""
        bundles = await self._database.read(_load)
        self._numbers = await self._database.read(functions.load_numbers)
        for kept in bundles:
            bundle = await self._opened(kept)
            settled = await self._recover(bundle)
            key = Key(settled.scope, settled.function.name)
            changes = difference(bundle, settled, self._seal(key))
            if changes:
                await self._database.write(_apply_all(changes))
            self._swap(key, None, settled)
            self._follow(key, None, settled)
            if is_locked(settled):
                self._start(self._unlock(key))
        await self._artifacts.sweep(self._uses)

    async def close(self) -> None:
        """Finish the changes under way; transitions that wait are completed by the next `open`."""
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, *self._changing, return_exceptions=True)

    def get(self, scope: Scope, name: str) -> Bundle | None:
        return self._scopes.get(scope, {}).get(name)

    def all(self, scope: Scope) -> Iterator[Bundle]:
        return iter(self._scopes.get(scope, {}).values())

    def everything(self) -> Iterator[tuple[Key, Bundle]]:
        """All that exists now, whoever it belongs to."""
        for scope, bundles in list(self._scopes.items()):
            for name, bundle in list(bundles.items()):
                yield Key(scope, name), bundle

    def last_number(self, scope: Scope, name: str) -> int:
        """The highest version ever published under a name, even of a function since deleted."""
        return self._numbers.get((*scope, name), 0)

    @contextlib.asynccontextmanager
    async def storing(self) -> AsyncIterator[None]:
        """While a package is being stored, and until it has been touched, none is deleted."""
        async with self._removing:
            self._storing += 1
        try:
            yield
        finally:
            self._storing -= 1

    def touch(self, sha256: str) -> None:
        """A package was just stored: keep it until a bundle refers to it, or nobody has for long."""
        known = sha256 in self._touched
        self._touched[sha256] = self._clock.monotonic()
        if not known:
            self._start(self._collect(sha256))

    def hold(self, sha256: str) -> None:
        """Somebody else than a function refers to a package: it stays."""
        self._uses[sha256] += 1

    def release(self, sha256: str) -> None:
        """Undo `hold`."""
        self._uses[sha256] -= 1
        if not self._uses[sha256]:
            self.touch(sha256)

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a change to its end, whatever becomes of the caller; `close` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._changing.add(task)
        task.add_done_callback(self._changing.discard)
        return await asyncio.shield(task)

    @contextlib.asynccontextmanager
    async def exclusive(self, scope: Scope) -> AsyncIterator[None]:
        """Nothing of an account and region changes meanwhile; for what functions refer to."""
        async with self._locks.setdefault(scope, asyncio.Lock()):
            yield

    async def change(
        self, scope: Scope, name: str, rule: Callable[[Bundle | None], tuple[Bundle | None, T]]
    ) -> T:
        """Apply a rule; returns its answer once the change is durable and in force.

        The rule must not wait and must not change anything itself; what it raises is raised here.
        """
        return await self.finish(self._change(Key(scope, name), rule))

    async def _change(
        self, key: Key, rule: Callable[[Bundle | None], tuple[Bundle | None, T]]
    ) -> T:
        async with self._locks.setdefault(key.scope, asyncio.Lock()):
            old = self.get(*key)
            new, answer = rule(old)
            self._check_snapshots(key.scope, old, new)
            if new is not None and self._state_delay_s <= 0:
                new = self._settle(new)
            changes = difference(old, new, self._seal(key))
            if changes:
                await self._database.write(_apply_all(changes))
                self._swap(key, old, new)
                self._follow(key, old, new)
            return answer

    def _check_snapshots(self, scope: Scope, old: Bundle | None, new: Bundle | None) -> None:
        """AWS makes so many snapshots of an account at a time, and refuses to publish more."""
        before = 0 if old is None else self._pending_snapshots(old)
        more = 0 if new is None else self._pending_snapshots(new) - before
        if more > 0:
            now = sum(map(self._pending_snapshots, self.all(scope)))
            if now + more > self._snapshot_creations:
                raise TooManyRequests(
                    "Lambda was unable to create a new snapshot because you have reached your "
                    "concurrent snapshot creation limit.",
                    reason="ConcurrentSnapshotCreateLimitExceeded",
                )

    def _pending_snapshots(self, bundle: Bundle) -> int:
        return sum(
            version.state == "Pending" and self._wants_snapshot(version)
            for version in bundle.versions.values()
        )

    async def reclaim(self, key: Key, number: int) -> None:
        """Nobody has called this version for long: it becomes Inactive, if it still may."""

        def rule(bundle: Bundle | None) -> tuple[Bundle | None, None]:
            version = None if bundle is None else bundle.versions.get(number)
            if bundle is None or version is None or version.state != "Active":
                return bundle, None
            if not state.may_idle(version):
                return bundle, None
            return bundle.with_version(state.reclaimed(version, bundle.arn, self._new_id())), None

        await self.change(key.scope, key.name, rule)

    def wake(self, account: str, region: str, name: str, version: str) -> None:
        """Somebody calls an Inactive version: it becomes Pending, and Active when it is ready."""
        number = LATEST if version == version_name(LATEST) else int(version)

        def rule(bundle: Bundle | None) -> tuple[Bundle | None, None]:
            found = None if bundle is None else bundle.versions.get(number)
            # Two callers at once: the second finds it on its way.
            if bundle is None or found is None or found.state != "Inactive":
                return bundle, None
            if found.update_status == "InProgress":
                return bundle, None
            return bundle.with_version(state.restoring(found, bundle.arn)), None

        async def work() -> None:
            try:
                await self.change(Scope(account, region), name, rule)
            except apsw.Error as error:  # the next call tries again
                log.error("transition.failed", function=name, error=str(error))

        self._start(work())

    async def remove_idle(self, sha256: str) -> bool:
        """Delete the tree of an image whose versions are all Inactive; False if one is not."""
        async with self._removing:
            users = [
                version
                for _, bundle in self.everything()
                for version in bundle.versions.values()
                if sha256 in packages(version)
            ]
            if any(version.state != "Inactive" for version in users):
                return False
            if any(state.in_transition(version) for version in users):
                return False
            await self._artifacts.remove(sha256)
            return True

    def _swap(self, key: Key, old: Bundle | None, new: Bundle | None) -> None:
        """Make `new` what exists, and tell the engine when that changes what can run."""
        names = self._scopes.setdefault(key.scope, {})
        for sha256 in () if old is None else old.packages():
            self._uses[sha256] -= 1
        if new is None:
            del names[key.name]
            self._pushed.pop(key, None)
            self._listener.function_deleted(*key.scope, key.name)
            return
        for sha256 in new.packages():
            self._uses[sha256] += 1
        names[key.name] = new
        if new.function.last_version:
            self._numbers[*key.scope, key.name] = new.function.last_version
        targets = runnable.targets(
            new, self._artifacts.tree, self._pushed.get(key), self._snapshots
        )
        if targets != self._pushed.get(key):
            self._pushed[key] = targets
            self._listener.function_changed(targets)

    def _follow(self, key: Key, old: Bundle | None, new: Bundle | None) -> None:
        for sha256 in () if old is None else set(old.packages()):
            if not self._uses[sha256]:
                self.touch(sha256)
        for number, version in () if new is None else new.versions.items():
            fresh = old is None or old.versions.get(number) is not version
            if fresh and state.in_transition(version):
                self._start(self._complete(key, number, version.revision_id))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _complete(self, key: Key, number: int, revision_id: str) -> None:
        """Make a Pending version Active, or an update Successful, after its visible moment."""

        def rule(bundle: Bundle | None) -> tuple[Bundle | None, None]:
            version = None if bundle is None else bundle.versions.get(number)
            if bundle is None or version is None or version.revision_id != revision_id:
                return bundle, None  # deleted, or changed again, meanwhile
            if prepared.failed:
                reasons = (prepared.failed, prepared.code)
                broken = state.failed(version, bundle.arn, self._new_id(), *reasons)
                return bundle.with_version(broken), None
            fit = state.ready(version, bundle.arn, self._new_id())
            if prepared.standby:
                # It serves, and its owner reads here why it is not restored from a snapshot.
                reason = f"Environments are started, not restored: {prepared.standby}"
                fit = msgspec.structs.replace(fit, state_reason=reason)
            return bundle.with_version(fit), None

        prepared = await self._prepare(key, number)
        await self._clock.sleep(self._state_delay_s)
        while True:
            try:
                return await self.change(*key, rule)
            except apsw.Error as error:
                log.error("transition.failed", function=key.name, error=str(error))
            await self._clock.sleep(RETRY_S)

    async def _prepare(self, key: Key, number: int) -> Prepared:
        """The snapshot of a version that wants one."""
        bundle = self.get(*key)
        version = None if bundle is None else bundle.versions.get(number)
        if bundle is None or version is None:
            return Prepared()
        if self._images is not None and version.code.image_uri:
            prepared = await self._images.prepare(version.code)
            if prepared.failed:
                return prepared
        if not self._wants_snapshot(version):
            return Prepared()
        assert self._preparer is not None
        try:
            return await self._preparer.prepare(
                runnable.version_target(bundle, version, self._artifacts.tree, self._snapshots)
            )
        except LambentError as error:
            log.error("snapshot.failed", function=bundle.arn, error=str(error))
            return Prepared(standby=str(error))

    def _wants_preparing(self, version: Version) -> bool:
        image = self._images is not None and bool(version.code.image_uri)
        return image or self._wants_snapshot(version)

    def _wants_snapshot(self, version: Version) -> bool:
        return (
            self._preparer is not None
            and version.number != LATEST
            and version.configuration.snap_start == "PublishedVersions"
        )

    async def _collect(self, sha256: str) -> None:
        """Delete a package once nothing has referred to it for a while."""
        wait_s = GRACE_S
        while True:
            await self._clock.sleep(wait_s)
            async with self._removing:
                if self._uses[sha256]:
                    break
                wait_s = self._touched[sha256] + GRACE_S - self._clock.monotonic()
                if wait_s <= 0 and not self._storing:
                    await self._artifacts.remove(sha256)
                    log.info("package.removed", sha256=sha256)
                    break
                wait_s = max(wait_s, RETRY_S)
        del self._touched[sha256]

    def _settle(self, bundle: Bundle) -> Bundle:
        for version in list(bundle.versions.values()):
            if state.in_transition(version) and not self._wants_preparing(version):
                bundle = bundle.with_version(state.ready(version, bundle.arn, self._new_id()))
        return bundle

    async def _recover(self, bundle: Bundle) -> Bundle:
        """Transitions completed; a version whose package has gone from the disk fails, and says so."""
        for number, version in list(bundle.versions.items()):
            missing = None if version.state == "Failed" else await self._missing(version)
            if missing is None:
                continue
            log.error("package.missing", function=bundle.arn, version=version_name(number))
            reason = f"The function's {missing} package is missing from the data directory."
            if state.in_transition(version):
                version = state.ready(version, bundle.arn, self._new_id())  # noqa: PLW2901  both steps in one
            bundle = bundle.with_version(state.failed(version, bundle.arn, self._new_id(), reason))
        return self._settle(bundle)

    # ── variables that KMS has sealed ────────────────────────────────────────────────────────

    def _seal(self, key: Key) -> Callable[[Version], Version]:
        if self.envelopes is None:
            return lambda version: version
        return partial(self.envelopes.seal, Owner(*key))

    async def _opened(self, bundle: Bundle) -> Bundle:
        return bundle if self.envelopes is None else await self.envelopes.opened(bundle)

    async def _unlock(self, key: Key) -> None:
        """KMS refused, or was away: ask again until it opens what is locked."""
        while (bundle := self.get(*key)) is not None and is_locked(bundle):
            await self._clock.sleep(LOCKED_S)
            opened = await self._opened(bundle)

            def rule(old: Bundle | None, by: Bundle = opened) -> tuple[Bundle | None, None]:
                return unlocked(old, by), None

            await self.change(*key, rule)

    async def _missing(self, version: Version) -> str | None:
        """Which kind of package is not there; those that need it are unpacked again."""
        if version.code.image_uri:
            return None if self._has_image(version) else "code"
        for sha256 in packages(version):
            if not await self._artifacts.ensure(sha256):
                return "code" if sha256 == version.code.sha256 else "layer"
        return None

    def _has_image(self, version: Version) -> bool:
        # One in transition will be fetched, an Inactive one when it is called.
        if self._images is None or state.in_transition(version) or version.state == "Inactive":
            return True
        serves = version.code
        if version.update_status == "Failed" and version.served_code is not None:
            serves = version.served_code
        return self._artifacts.tree(serves.sha256).is_dir()


def _apply_all(
    changes: list[Callable[[apsw.Connection], None]],
) -> Callable[[apsw.Connection], None]:
    def apply(connection: apsw.Connection) -> None:
        for change in changes:
            change(connection)

    return apply


def _load(connection: apsw.Connection) -> list[Bundle]:
    """Every bundle in the store."""
    found = {(f.account, f.region, f.name): Bundle(f, {}, {}) for f in functions.load(connection)}
    for account, region, name, version in versions.load(connection):
        key = (account, region, name)
        found[key] = found[key].with_version(version)
    for account, region, name, alias in aliases.load(connection):
        key = (account, region, name)
        found[key] = found[key].with_alias(alias)
    return list(found.values())
