"""SnapStart here: the templates of all versions, made when they are wanted and given back when not.

    template(target)   the template of a version; makes it when there is none
    find(target)       the same for an environment: None where its version is started, not forked
    retire             the version is gone: its template ends

What cannot be forked (threads that hold work, a runtime that is not ours, a machine without
namespaces) is told by `Standby`, and such a version starts its environments as any other.
`snapshot_trial` proves a template by a fork before its version becomes Active.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

import structlog

from lambent.control.targets import VersionTarget
from lambent.engine.launcher import Launcher
from lambent.engine.owner import Spawn
from lambent.engine.snapshot_outcomes import Failed, Standby
from lambent.engine.snapshot_template import Template
from lambent.errors import LambentError, ServiceException, SnapStartRegenerationFailure

log = structlog.get_logger()

IDLE_S: Final = 3600.0
"""How long a template that no environment uses is kept."""
CLOSING: Final = "the server is shutting down"
MOST_GONE: Final = 256
UNUSED_S: Final = 1.0
"""Before that, whoever asked for a template may not have come to use it."""
MOST_TEMPLATES: Final = 64
"""More than this at a time cost more memory than they are worth: the longest unused goes."""


class Snapshots:
    """The templates of one server."""

    def __init__(
        self,
        launcher: Launcher,
        spawn: Spawn,
        *,
        most: int = MOST_TEMPLATES,
        idle_s: float = IDLE_S,
    ) -> None:
        self._idle_s = idle_s
        self._launcher = launcher
        self._spawn = spawn
        self._most = most
        self._turns = asyncio.Semaphore(2 * len(os.sched_getaffinity(0)))
        """Of Inits side by side: fifty versions published at once do not exhaust the host."""
        self._made: OrderedDict[tuple[str, str], asyncio.Future[Template]] = OrderedDict()
        """By ARN and generation; the one used last is the last."""
        self._making: set[asyncio.Task[Any]] = set()
        self._closing = False
        self._gone: dict[tuple[str, str], None] = {}
        """Retired of late: a start that was under way must not make a template again."""
        self._standby: dict[tuple[str, str], str] = {}
        """Why a version is not forked."""

    def why_not(self, target: VersionTarget) -> str:
        """Why a version's environments are started, not forked; empty if they are forked."""
        return self._standby.get(_key(target), "")

    def standing_by(self) -> Mapping[str, str]:
        """Versions that are started in the plain way, by ARN, and why."""
        return {arn: why for (arn, _), why in self._standby.items()}

    def standing(self) -> Mapping[tuple[str, str], Template]:
        """The templates that are ready, by ARN and generation."""
        return {
            key: made.result()
            for key, made in self._made.items()
            if made.done() and not made.cancelled() and made.exception() is None
        }

    def forks(self, target: VersionTarget) -> bool:
        """Whether its environments are forked from a template that stands already."""
        made = self._made.get(_key(target)) if target.snap_start else None
        return made is not None and made.done() and _usable(made)

    def ready(self, target: VersionTarget) -> bool:
        """Whether an Active version has its template, or its standby, already."""
        if not target.snap_start or target.state != "Active":
            return False
        return _key(target) in self._standby or self.forks(target)

    async def find(self, target: VersionTarget) -> Template | None:
        """The template to fork from; None for a version that is started in the plain way.

        Raises SnapStartRegenerationFailureException where AWS would: Init, well once, fails now.
        """
        key = _key(target)
        if not target.snap_start or key in self._standby or key in self._gone:
            return None
        try:
            template = await self.template(target)
        except Standby:
            return None
        except Failed as error:
            if not target.snap_start_asked:
                return None  # a snapshot that AWS does not know of changes no answer
            raise SnapStartRegenerationFailure(
                f"Lambda couldn't regenerate the SnapStart snapshot for the function. {error.reason}"
            ) from None
        return template

    async def template(self, target: VersionTarget) -> Template:
        """The template of a version, made now if there is none; raises `Failed` or `Standby`."""
        key = _key(target)
        if self._closing:
            raise ServiceException(CLOSING)
        if key in self._standby:
            raise Standby(self._standby[key])
        made = self._made.get(key)
        if made is not None and made.done() and not _usable(made):
            self._drop(key)
            made = None
        if made is None:
            made = self._made[key] = asyncio.get_running_loop().create_future()
            self._spawn(self._make(target, key, made))
        self._made.move_to_end(key)
        return await asyncio.shield(made)

    async def _make(
        self, target: VersionTarget, key: tuple[str, str], made: asyncio.Future[Template]
    ) -> None:
        template = Template(
            target, self._launcher, self._spawn, self._idle_s, lambda: self._drop(key)
        )
        task = asyncio.current_task()
        assert task is not None
        self._making.add(task)
        task.add_done_callback(self._making.discard)
        try:
            _refuse(await asyncio.to_thread(self._launcher.unforkable, target))
            async with self._turns:
                await template.make()
        except Standby as why:
            self.stand_by(target, str(why))
            made.set_exception(why)
            made.exception()
        except asyncio.CancelledError:  # by `stop`; whoever waits must not take it for their own
            made.set_exception(ServiceException(CLOSING))
            made.exception()
        except (Failed, LambentError, OSError) as error:
            self._made.pop(key, None)
            made.set_exception(error)
            made.exception()
        else:
            if self._made.get(key) is not made:  # retired meanwhile
                await template.close()
                made.set_exception(Standby("its version is gone"))
                made.exception()
                return
            made.set_result(template)
            template.rest()
            log.info(
                "snapshot.ready", function=target.arn, memory_mb=template.shared_mb,
                connections=template.report.connections,
            )  # fmt: skip
            self._bound()

    def memory_mb(self) -> int:
        """What all templates take; their forks are counted without it."""
        return sum(template.shared_mb for template in self.standing().values())

    def give_back_unused(self) -> int:
        """Under memory pressure: end the longest unused; its megabytes, or 0 when all are used."""
        for key, template in self.standing().items():
            if template.unused_s >= UNUSED_S:
                self._drop(key)
                return max(template.shared_mb, 1)
        return 0

    def _bound(self) -> None:
        """Give back the longest unused when there are too many."""
        for key, made in list(self._made.items()):
            if len(self._made) <= self._most:
                return
            if made.done():
                self._drop(key)

    def stand_by(self, target: VersionTarget, why: str) -> None:
        """This version is started in the plain way from now on."""
        log.warning("snapshot.standby", function=target.arn, why=why)
        self._standby[_key(target)] = why
        self._drop(_key(target))

    def retire(self, arn: str, generation: str) -> None:
        """The version is gone, or has other code now."""
        self._gone[arn, generation] = None
        while len(self._gone) > MOST_GONE:
            del self._gone[next(iter(self._gone))]
        self._standby.pop((arn, generation), None)
        self._drop((arn, generation))

    def drop(self, target: VersionTarget) -> None:
        """End a version's template; it may be wanted again."""
        self._drop(_key(target))

    def _drop(self, key: tuple[str, str]) -> None:
        made = self._made.pop(key, None)
        if made is not None and made.done() and not made.cancelled() and not made.exception():
            self._spawn(made.result().retire())

    def stop(self) -> None:
        """Give up Inits that run, however long they would take; none begins any more."""
        self._closing = True
        for task in self._making:
            task.cancel()

    async def close(self) -> None:
        """After the last environment: end every template."""
        for made in list(self._made.values()):
            if not made.done():
                await asyncio.wait([made])
        for template in list(self.standing().values()):
            await template.close()
        self._made.clear()


def _refuse(why: str) -> None:
    if why:
        raise Standby(why)


def _key(target: VersionTarget) -> tuple[str, str]:
    return target.arn, target.generation


def _usable(made: asyncio.Future[Template]) -> bool:
    return not made.cancelled() and made.exception() is None and made.result().alive
