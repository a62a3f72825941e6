"""One function under work: brings it live the first time, and again after each save.

What does not compile is never sent: the code before it stays live.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from lambent.cli import plans
from lambent.delivery import archive, deploy, interpreters, package, platforms, training, upload
from lambent.delivery.aws import Aws
from lambent.delivery.incremental import Workbench
from lambent.delivery.package import Package
from lambent.delivery.syntax import Checker, Fault
from lambent.delivery.template import FunctionPlan

Progress = Callable[[str], None]
_JUST_NOW_NS = 5_000_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one look at the folder led to."""

    changed: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    live_ms: float | None = None
    """From the save (its file's time) to live code; None when nothing was sent."""
    package: Package | None = None
    created: bool = False
    mended: bool = False
    """Nothing is to be sent, but files that did not compile do again."""


class Bench:
    """Call `reload` after every change; `close` at the end."""

    def __init__(self, aws: Aws, plan: FunctionPlan, extra: tuple[archive.Entry, ...] = ()) -> None:
        self._aws = aws
        self.plan = plan
        self._work = Workbench(plans.recipe(aws, plan, fresh=False), extra)
        platform = platforms.of(plan.runtime, plan.architecture)
        self._checker = Checker(interpreters.find(platform.python)) if platform else None
        self._sent: str | None = None
        """SHA-256 of what is live; None until something is."""
        self._suspect: set[str] = set()
        """Files that did not compile when they were last looked at."""

    @property
    def live(self) -> bool:
        return self._sent is not None

    def reload(self, progress: Progress, *, force: bool = False) -> Outcome | None:
        """Send what changed; None when nothing did. `force` sends it in any case."""
        begun_ns = time.time_ns()
        training.ensure_model(self.plan, progress)  # before the look: the model is to be packed
        changed = self._work.look()
        if not (changed or force):
            return None
        suspect, first = self._suspect, self._sent is None
        look_at = self._work.python_files(sorted({*changed, *suspect}))
        faults = tuple(self._checker.check(look_at)) if self._checker else ()
        self._suspect = {fault.name for fault in faults}
        if faults:
            return Outcome(tuple(changed), faults)
        built = self._work.build(progress)
        if built.sha256 == self._sent and not force:
            return Outcome(tuple(changed), mended=bool(suspect))
        created = self._send(built, progress)
        # What came first was written long ago.
        live_ms = self._since([] if first else changed, begun_ns)
        return Outcome(tuple(changed), (), live_ms, built, created)

    def _send(self, built: Package, progress: Progress) -> bool:
        uploaded = upload.if_large(self._aws, self.plan.extras.bucket, self.plan.name, built)
        created = False
        if self._sent is None:
            latest = deploy.bring(self._aws, self.plan, built, uploaded=uploaded, progress=progress)
            created = latest.created
        else:
            deploy.replace_code(self._aws, self.plan.name, built, uploaded=uploaded)
        self._sent = built.sha256
        return created

    def _since(self, changed: list[str], begun_ns: int) -> float:
        """Milliseconds since the last of these files was written, if that was just now."""
        now_ns = time.time_ns()
        saved_ns = begun_ns
        for _, path in self._work.paths(changed):
            written_ns = path.stat().st_mtime_ns if path.exists() else 0
            if begun_ns - _JUST_NOW_NS < written_ns < begun_ns:
                saved_ns = written_ns if saved_ns == begun_ns else max(saved_ns, written_ns)
        return (now_ns - saved_ns) / 1e6

    def close(self) -> None:
        if self._checker is not None:
            self._checker.close()


def restore(aws: Aws, plan: FunctionPlan, progress: Progress) -> None:
    """Give the function back what its template says, after a session that had added to it."""
    built = package.build(plans.recipe(aws, plan, fresh=False))
    uploaded = upload.if_large(aws, plan.extras.bucket, plan.name, built)
    deploy.bring(aws, plan, built, uploaded=uploaded, progress=progress)
