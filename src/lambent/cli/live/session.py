"""The loop of `dev`: one thread that waits for a save, a key, a log line, a signal, the server's end.

Saves come in bursts (an editor writes, renames, touches), so a reload begins once nothing has
happened for a moment. Threads (log tails, invokes) hand what they have to this one through `post`.
Ctrl-C ends the loop, then the server drains; a second one kills it.
"""

from __future__ import annotations

import os
import queue
import selectors
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from lambent.cli.live.bench import Bench, Outcome
from lambent.cli.live.keys import Keys
from lambent.cli.live.own_server import OwnServer
from lambent.cli.live.screen import Screen
from lambent.cli.live.tail import Tail
from lambent.cli.live.watch import POLL_S, Watch
from lambent.delivery.aws import Aws, problem
from lambent.delivery.problem import Problem
from lambent.delivery.template import FunctionPlan

QUIET_S: Final = 0.015
"""How long nothing may happen before a save counts as complete; and how often that is put off."""
LONGEST_S: Final = 0.15
LARGE_ZIP: Final = 5_000_000
KEYS: Final = (
    ("i", "invoke with event.json"),
    ("r", "redeploy everything"),
    ("l", "clear the screen"),
    ("q", "quit"),
    ("?", "these keys"),
)

Plans = Callable[[], list[FunctionPlan]]
"""Reads template and flags anew."""
MakeBench = Callable[[FunctionPlan], Bench]


class Session:
    """`run` once; it returns the exit code. The caller owns the server and restores what it likes."""

    def __init__(
        self,
        screen: Screen,
        aws: Aws,
        plans: Plans,
        make_bench: MakeBench,
        template: Path | None,
        own: OwnServer | None,
        *,
        polling: bool = False,
    ) -> None:
        self._screen = screen
        self._aws = aws
        self._plans = plans
        self._make_bench = make_bench
        self._template = template
        self._template_seen = _mtime(template)
        self._own = own
        self._polling = polling
        self._benches: dict[str, Bench] = {}
        self._planned: dict[str, FunctionPlan] = {}
        """As the template has them; a bench's own plan may hold more."""
        self._tails: dict[str, Tail] = {}
        self._last: str | None = None
        """The function that `i` calls: the one that was saved last."""
        self._news: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake_r, self._wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._asked = 0
        self._failed = False
        self._since_ms = int(time.time() * 1000)

    def run(self) -> int:
        with ExitStack() as stack:
            stack.callback(self._close)
            stack.enter_context(self._signals())
            keys = stack.enter_context(Keys())
            signal.signal(signal.SIGCONT, lambda *_: keys.again())
            self._plan()
            if not self._asked:
                watch = Watch(self._folders(), polling=self._polling)
                stack.callback(watch.close)
                self._hello(watch, keys)
                self._loop(watch, keys)
        return int(self._failed)

    def post(self, news: Callable[[], None]) -> None:
        """From another thread: call `news` in the session's."""
        self._news.put(news)
        with suppress(OSError):  # full: it will wake anyway; closed: nobody listens any more
            os.write(self._wake_w, b"n")

    # ── the loop ─────────────────────────────────────────────────────────────────────────────

    def _loop(self, watch: Watch, keys: Keys) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_r, selectors.EVENT_READ)
            for fd in (keys.fileno, watch.fileno, self._own.pidfd if self._own else None):
                if fd is not None:
                    selector.register(fd, selectors.EVENT_READ)
            first = due = None if watch.fileno is not None else 0.0
            while not self._asked:
                wait_s = None if due is None else max(0.0, due - time.monotonic())
                ready = {key.fd for key, _ in selector.select(wait_s)}
                now = time.monotonic()
                self._take_news()
                if keys.fileno in ready and not self._press(keys.read()):
                    return
                if self._own and self._own.pidfd in ready:
                    self._server_ended()
                    return
                if watch.fileno in ready:
                    watch.changed()
                    first = now if due is None else first
                    due = min(now + QUIET_S, (first or now) + LONGEST_S)
                if due is not None and now >= due:
                    self._reload()
                    due = None if watch.fileno is not None else time.monotonic() + POLL_S

    def _take_news(self) -> None:
        try:
            os.read(self._wake_r, 4096)
        except BlockingIOError:
            return
        while True:
            try:
                news = self._news.get_nowait()
            except queue.Empty:
                return
            news()

    def _press(self, pressed: str) -> bool:
        """Do what the keys say; False to quit."""
        if not pressed:
            return False
        for key in pressed:
            match key.lower():
                case "q" | "\x04":
                    return False
                case "i":
                    self._invoke()
                case "l":
                    self._screen.clear()
                case "r":
                    self._redeploy()
                case "?" | "h":
                    self._screen.plain("".join(f"  {key}  {text}\n" for key, text in KEYS)[:-1])
                case "\n" | "\r":
                    self._screen.plain("")
        return True

    def _server_ended(self) -> None:
        assert self._own is not None
        self._failed = True
        fix = f"read {self._own.log}"
        self._screen.problem(Problem("SERVER_ENDED", "the server that dev started ended", fix=fix))

    # ── functions ────────────────────────────────────────────────────────────────────────────

    def _plan(self) -> None:
        """Read the template; functions that are new or changed come live, others are left."""
        wanted = {plan.name: plan for plan in self._plans()}
        for name in list(self._benches):
            if self._planned.get(name) != wanted.get(name):
                self._benches.pop(name).close()
        self._planned = wanted
        for name, plan in wanted.items():
            if name not in self._benches:
                self._benches[name] = self._make_bench(plan)
                self._bring(name)
        for name in list(self._tails):
            if name not in wanted:
                self._tails.pop(name).stop()

    def _reload(self) -> None:
        """After a save: the template first, then every function's folder."""
        seen = _mtime(self._template)
        if seen != self._template_seen:
            self._template_seen = seen
            self._guarded(self._plan)
        for name in self._benches:
            self._bring(name)

    def _redeploy(self) -> None:
        for bench in self._benches.values():
            bench.close()
        self._benches.clear()
        self._guarded(self._plan)

    def _bring(self, name: str, *, force: bool = False) -> None:
        bench = self._benches[name]

        def bring() -> None:
            with self._screen.out.progress() as progress:
                outcome = bench.reload(progress, force=force)
            if outcome is not None:
                self._say(bench, outcome)

        self._guarded(bring)
        if bench.live and name not in self._tails:
            self._tails[name] = tail = Tail(
                self._aws,
                name,
                self._since_ms,
                lambda event: self.post(lambda: self._log(name, event)),
            )
            tail.start()

    def _say(self, bench: Bench, outcome: Outcome) -> None:
        name = bench.plan.name
        self._last = name
        if outcome.faults:
            self._screen.faults(name, outcome.faults, bench.plan.folder)
            return
        if outcome.mended:
            self._screen.event("mended", {"function": name}, "mended", f"{name}  is live as it is")
        built = outcome.package
        if built is None or outcome.live_ms is None:
            return
        size = f"zip {len(built.data) / 1e6:.1f} MB, {built.files} files"
        what = ", ".join(outcome.changed[:3]) + (" …" if len(outcome.changed) > 3 else "")
        taken = f"{outcome.live_ms:.0f} ms" if outcome.live_ms < 10_000 else "a while"
        facts = {
            "function": name,
            "created": outcome.created,
            "changed": list(outcome.changed),
            "live_ms": round(outcome.live_ms, 1),
            "bytes": len(built.data),
            "sha256": built.sha256,
        }
        again = name in self._tails
        text = f"{name}  {what}  {taken}" if again else f"{name}  {size}"
        self._screen.event("live", facts, "live", text)
        for note in built.notes:
            self._screen.out.note(note)
        if not again and len(built.data) > LARGE_ZIP:
            self._screen.out.note(
                f"the package travels whole with every save: {len(built.data) / 1e6:.0f} MB "
                "make it seconds until a change is live"
            )

    def _guarded(self, work: Callable[[], None]) -> None:
        """What fails is said, and the session goes on: the next save may mend it."""
        try:
            work()
        except Problem as error:
            self._screen.problem(error)
        except (BotoCoreError, ClientError) as error:
            self._screen.problem(problem(error, self._aws))

    def _log(self, name: str, event: dict[str, Any]) -> None:
        bench = self._benches.get(name)
        if bench is not None:
            self._screen.log(name, event, bench.plan.folder, named=len(self._benches) > 1)

    def _invoke(self) -> None:
        name = self._last or next(iter(self._benches), None)
        if name is None:
            return
        folder = self._benches[name].plan.folder
        thread = threading.Thread(target=self._call, args=(name, folder), daemon=True)
        thread.start()

    def _call(self, name: str, folder: Path) -> None:
        """In a thread: one invoke with the sample event."""
        sample = folder / "event.json"
        payload = sample.read_bytes() if sample.is_file() else b"{}"
        try:
            answer = self._aws.invoker.invoke(FunctionName=name, Payload=payload)
            body = answer["Payload"].read().decode(errors="replace")
            error = answer.get("FunctionError")
        except (BotoCoreError, ClientError) as raised:
            said = problem(raised, self._aws)
            self.post(lambda: self._screen.problem(said))
            return
        facts = {"function": name, "payload": body, "function_error": error}
        label = "failed" if error else "answer"
        self.post(lambda: self._screen.event("invoke", facts, label, body))

    # ── beginning and end ────────────────────────────────────────────────────────────────────

    def _folders(self) -> list[Path]:
        folders = [bench.plan.folder for bench in self._benches.values()]
        return folders + ([self._template.resolve().parent] if self._template else [])

    def _hello(self, watch: Watch, keys: Keys) -> None:
        folders = ", ".join(dict.fromkeys(str(f) for f in self._folders()))
        facts = {"folders": folders, "how": watch.how, "functions": list(self._benches)}
        self._screen.event("watching", facts, "watch", f"{folders}  ({watch.how})")
        if keys.fileno is not None:
            words = "  ·  ".join(f"{key} {text}" for key, text in KEYS)
            self._screen.plain(f"  {self._screen.out.style('keys'.ljust(8), 'dim')} {words}")

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def asked(_number: int, _frame: object) -> None:
            self._asked += 1
            if self._asked > 1:
                if self._own:
                    self._own.kill()
                raise KeyboardInterrupt

        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, asked) for number in numbers}
        before[signal.SIGCONT] = signal.getsignal(signal.SIGCONT)
        woken = signal.set_wakeup_fd(self._wake_w, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(woken)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _close(self) -> None:
        for tail in self._tails.values():
            tail.stop()
        for bench in self._benches.values():
            bench.close()
        self._take_news()
        os.close(self._wake_r)
        wake_w, self._wake_w = self._wake_w, -1
        os.close(wake_w)


def _mtime(path: Path | None) -> int:
    try:
        return path.stat().st_mtime_ns if path else 0
    except OSError:
        return 0
