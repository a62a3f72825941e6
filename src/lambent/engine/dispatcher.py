"""The one way to run a function: resolve, admit, hand to a pool.

Everything that invokes (API, events, URLs, event sources) ends in `Dispatcher.invoke`. It is
synchronous and makes no task: the answer comes through the invocation's callbacks.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from lambent.clock import Clock
from lambent.control.targets import (
    LATEST,
    Allocation,
    FunctionTargets,
    Prepared,
    ProvisionedTarget,
    VersionTarget,
)
from lambent.engine import lineage, snapshot_trial, tenants
from lambent.engine.admission import Admission, Concurrency, Provisioned
from lambent.engine.call import Call
from lambent.engine.environment import Environment
from lambent.engine.host_load import Gauge, HostLoad
from lambent.engine.invocation import Invocation, Outcome
from lambent.engine.keep_alive import Arrivals, FixedKeepAlive, KeepAlive
from lambent.engine.keeper import Keeper
from lambent.engine.launcher import Launcher
from lambent.engine.owner import Initialization, Owner, Spawn
from lambent.engine.pacing import Pacer
from lambent.engine.pool import Pool
from lambent.engine.routing import Route, RoutingTable, Wake
from lambent.engine.snapshot import Snapshots
from lambent.engine.start import Start
from lambent.errors import (
    LambentError,
    RecursiveInvocation,
    ResourceNotFound,
    TooManyRequests,
)
from lambent.http.exchange import Exchange
from lambent.observe.load import FunctionLoad
from lambent.observe.metrics import Metrics
from lambent.observe.timelines import Timelines
from lambent.observe.told_calls import ToldCalls
from lambent.observe.trace_header import new_trace
from lambent.observe.traces import Traces

NOTHING: Final = ProvisionedTarget(0, 0)


class Dispatcher:
    """Runs functions; told by `control` what exists (it is its `TargetListener`)."""

    def __init__(
        self,
        launcher: Launcher,
        metrics: Metrics,
        clock: Clock,
        spawn: Spawn,
        *,
        concurrency_limit: int = 1000,
        scaling_rate: int = 1000,
        idle_s: float = 600.0,
        memory_limit_mb: int = 1 << 20,
        freeze: bool = True,
        snapshot_idle_s: float = 3600.0,
        snapshots_most: int = 64,
        start_wait_s: float = 10.0,
        gauge: Gauge | None = None,
        keep_alive: KeepAlive | None = None,
    ) -> None:
        self._launcher = launcher
        self._metrics = metrics
        self._clock = clock
        self._spawn = spawn
        self._admission = Admission(clock, limit=concurrency_limit, rate=scaling_rate)
        self._table = RoutingTable()
        self._retired: set[Pool] = set()
        self._living: set[Environment] = set()
        self._all_ended = asyncio.Event()
        self._all_ended.set()
        self.snapshots = Snapshots(launcher, spawn, most=snapshots_most, idle_s=snapshot_idle_s)
        self._keeper = Keeper(
            self._pools,
            clock,
            keep_alive=keep_alive or FixedKeepAlive(idle_s),
            shared=self.snapshots,
            memory_limit_mb=memory_limit_mb,
            freeze=freeze,
        )
        self._pacer = Pacer(
            gauge or HostLoad(),
            clock,
            cores=len(os.sched_getaffinity(0)),
            wait_s=start_wait_s,
            room=self._keeper,
        )
        metrics.gauge("starts.waiting", lambda: self._pacer.waiting)
        metrics.gauge("starts.running", lambda: self._pacer.starting)

    # ── the hot path ─────────────────────────────────────────────────────────────────────────

    def invoke(self, invocation: Invocation) -> None:
        """Start `invocation`; raises `AwsError` at once or calls back exactly once, later."""
        qualifier = invocation.qualifier
        route = self._table.find(invocation.account, invocation.region, invocation.name, qualifier)
        target = self._table.choose(route, qualifier)
        key = target.version
        if target.tenant_isolation or invocation.tenant_id:
            key = tenants.pool_key(target, invocation.tenant_id)
        trace = (
            invocation.trace_header or new_trace(invocation.request_id, self._clock.time_ms())[0]
        )
        if lineage.MARK in trace:
            trace = self._follow(route.targets, trace)
        else:
            trace += route.lineage
        lease: Concurrency | Provisioned = route.concurrency
        own = route.provisioned.get(target.version) if route.provisioned else None
        if own is not None and own.running < own.limit:
            own.running += 1
            lease = own
        else:
            try:
                route.concurrency.admit()
            except TooManyRequests:
                self._metrics.throttle(target)
                raise
        arn = route.arns.get(qualifier) or _arn(route, qualifier)
        call = Call(invocation, arn, trace, lease)
        call.admitted = self._clock.monotonic()
        try:
            (route.pools.get(key) or self._pool(route, target, key)).submit(call)
        except BaseException as error:
            if isinstance(error, TooManyRequests):
                self._metrics.throttle(target)
            call.drop()
            raise

    def _follow(self, targets: FunctionTargets, trace: str) -> str:
        try:
            return lineage.follow(targets, trace)
        except RecursiveInvocation:
            self._metrics.count("invocations.recursive_dropped")
            raise

    def resolve(
        self, account: str, region: str, name: str, qualifier: str | None, tenant_id: str = ""
    ) -> VersionTarget:
        """The version that would answer; raises as `invoke` does. For DryRun and Event."""
        route = self._table.find(account, region, name, qualifier)
        target = self._table.choose(route, qualifier)
        if target.tenant_isolation or tenant_id:
            tenants.pool_key(target, tenant_id)
        return target

    def answer_functions(self, api: Callable[[Exchange, VersionTarget], None]) -> None:
        """Who answers what functions ask of AWS Lambda."""
        self._launcher.own_api = api

    def find(self, account: str, region: str, name: str) -> Route:
        """A function as the engine knows it; raises ResourceNotFoundException."""
        return self._table.find(account, region, name, None)

    def on_inactive(self, wake: Wake) -> None:
        """Calls of Inactive versions are refused; `wake` is told of each."""
        self._table.wake = wake

    def since_call(self, account: str, region: str, name: str, version: str) -> float | None:
        """Seconds since a version was last called; None where that was not since the start."""
        route = self._table.routes.get((account, region, name))
        arrivals = None if route is None else route.arrivals.get(version)
        return None if arrivals is None else arrivals.since(self._clock.monotonic())

    def policies(self, account: str, region: str, name: str) -> Mapping[str, str]:
        """A function's resource policies by qualifier; none where there is no function."""
        try:
            return self.find(account, region, name).targets.policies
        except ResourceNotFound:
            return {}

    @property
    def timelines(self) -> Timelines:
        """When the latest requests came, ran and were answered."""
        return self._metrics.timelines

    @property
    def told_calls(self) -> ToldCalls:
        """What functions' traces tell of their calls to AWS services."""
        return self._metrics.told_calls

    @property
    def traces(self) -> Traces:
        """The X-Ray segments of the latest traced requests."""
        return self._metrics.traces

    def runtimes(self) -> set[str]:
        """The managed runtimes of all functions."""
        found = set()
        for route in self._table.routes.values():
            found |= {target.runtime for target in route.targets.versions.values()}
        return {runtime for runtime in found if runtime}

    async def call(
        self,
        *,
        request_id: str,
        account: str,
        region: str,
        name: str,
        qualifier: str | None,
        payload: bytes,
        client_context: bytes | None = None,
        trace_header: str = "",
        tenant_id: str = "",
    ) -> Outcome:
        """`invoke` for those who can wait; raises what `invoke` raises or `on_failed` is told."""
        done: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def finish(outcome: Outcome) -> None:
            if not done.done():
                done.set_result(outcome)

        def fail(error: LambentError) -> None:
            if not done.done():
                done.set_exception(error)

        invocation = Invocation(
            request_id=request_id,
            account=account,
            region=region,
            name=name,
            qualifier=qualifier,
            payload=payload,
            on_done=finish,
            on_failed=fail,
            client_context=client_context,
            trace_header=trace_header,
            source="async",
            tenant_id=tenant_id,
        )
        self.invoke(invocation)
        try:
            return await done
        except asyncio.CancelledError:
            invocation.cancelled = True
            raise

    # ── what exists (TargetListener) ─────────────────────────────────────────────────────────

    def function_changed(self, targets: FunctionTargets) -> None:
        """New code or configuration: running calls finish on the old one."""
        key = (targets.account, targets.region, targets.name)
        route = self._table.routes.get(key)
        if route is None:
            concurrency = self._admission.function(targets.account, targets.region)
            route = self._table.routes[key] = Route(
                targets, concurrency, lineage=lineage.suffix(targets.arn)
            )
        route.targets = targets
        route.concurrency.reserve(targets.reserved_concurrency)
        route.arns = {None: targets.arn, LATEST: f"{targets.arn}:{LATEST}"}
        for pool_key, pool in list(route.pools.items()):
            target = targets.versions.get(pool.target.version)
            if target is None or _differs(target, pool.target):
                del route.pools[pool_key]
                self._retire(pool)
                if target is None or target.generation != pool.target.generation:
                    self.snapshots.retire(pool.target.arn, pool.target.generation)
                else:  # it is no longer to be forked, and may be again
                    self.snapshots.drop(target)
            else:
                pool.target = target
        for version in route.arrivals.keys() - targets.versions.keys():
            del route.arrivals[version]
        self._provide(route)

    def _provide(self, route: Route) -> None:
        """Let every version have what is provisioned for it now."""
        targets = route.targets
        route.concurrency.provide(sum(each.requested for each in targets.provisioned.values()))
        for version in {*targets.provisioned, *route.provisioned}:
            wanted = targets.provisioned.get(version, NOTHING)
            route.provisioned.setdefault(version, Provisioned()).limit = wanted.requested
            target = targets.versions.get(version)
            if target is not None and target.state == "Active":
                pool = route.pools.get(version) or self._pool(route, target, version)
                pool.provide(wanted)
        self._keep_least(route)
        self._keep_spares(route)
        for version in [v for v, own in route.provisioned.items() if not own.limit]:
            del route.provisioned[version]  # calls that run still give their lease back to it

    def _keep_spares(self, route: Route) -> None:
        """A version that has just become Active is likely to be called."""
        for version, target in route.targets.versions.items():
            if version not in route.pools and self.snapshots.ready(target):
                pool = self._pool(route, target, version)
                if pool.spares is not None:
                    pool.spares.demanded()

    async def prepare(self, target: VersionTarget) -> Prepared:
        """Make a version's snapshot, and try it, before the version becomes Active."""
        return await snapshot_trial.prepare(self.snapshots, self._make_trial, target)

    async def rebuild_snapshots(self) -> None:
        """After a start of the server: what is likely to be called need not wait for Init.

        One after the other, the versions that aliases lead to and the newest of each function;
        `Snapshots` keeps their number within its bounds.
        """
        for route in list(self._table.routes.values()):
            for version in _current(route.targets):
                target = route.targets.versions.get(version)
                if target is None or target.state != "Active" or not target.snap_start_asked:
                    continue
                with contextlib.suppress(LambentError):  # told to whoever calls it
                    await self.snapshots.find(target)
                    self._keep_spares(route)

    def _keep_least(self, route: Route) -> None:
        """On a capacity provider, the environments that stand before anybody calls."""
        for version, target in route.targets.versions.items():
            if not target.max_concurrency or target.state != "Active":
                continue
            wanted = target.min_environments * target.max_concurrency
            pool = route.pools.get(version)
            if wanted or (pool is not None and pool.reserve is not None):
                pool = pool or self._pool(route, target, version)
                pool.provide(ProvisionedTarget(wanted, 0))

    def allocation(self, account: str, region: str, name: str, version: str) -> Allocation:
        """How far the provisioned environments of a version have come."""
        route = self._table.routes.get((account, region, name))
        pool = None if route is None else route.pools.get(version)
        if pool is None or pool.reserve is None:
            return Allocation()
        return pool.reserve.allocation()

    def function_deleted(self, account: str, region: str, name: str) -> None:
        route = self._table.routes.pop((account, region, name), None)
        if route is not None:
            route.concurrency.reserve(None)
            route.concurrency.provide(0)
            self._metrics.forget(route.targets.arn)
            for pool in route.pools.values():
                self._retire(pool)
            for target in route.targets.versions.values():
                self.snapshots.retire(target.arn, target.generation)

    # ── environments ─────────────────────────────────────────────────────────────────────────

    def _pool(self, route: Route, target: VersionTarget, key: str) -> Pool:
        if target.tenant_isolation:
            tenants.forget_absent(route.pools)
        pool = route.pools[key] = Pool(
            target,
            route.concurrency,
            self._make,
            self._keeper.somebody_is_idle,
            route.arrivals.setdefault(target.version, Arrivals()),
        )
        return pool

    def _make(self, target: VersionTarget, pool: Pool, kind: Initialization) -> Environment:
        environment = Environment(
            target, pool, self._launcher, self._metrics, self._spawn, kind, self.snapshots
        )
        self._living.add(environment)
        self._all_ended.clear()
        self._spawn(self._live(environment, Start(environment, pool, self.snapshots.forks)))
        return environment

    def _make_trial(self, target: VersionTarget, owner: Owner) -> Environment:
        """One that no call waits for: it has no turn to wait for either."""
        environment = Environment(
            target, owner, self._launcher, self._metrics, self._spawn, snapshots=self.snapshots
        )
        self._living.add(environment)
        self._all_ended.clear()
        self._spawn(self._live_alone(environment))
        return environment

    async def _live_alone(self, environment: Environment) -> None:
        try:
            await environment.start()
            await environment.closed()
        finally:
            self._forget(environment)

    async def _live(self, environment: Environment, start: Start) -> None:
        """Own an environment from its start until all that it held is given back."""
        try:
            await start.live(self._pacer)
        finally:
            self._forget(environment)

    def _forget(self, environment: Environment) -> None:
        self._living.discard(environment)
        if not self._living:
            self._all_ended.set()

    def _retire(self, pool: Pool) -> None:
        pool.retire()
        self._retired = {old for old in self._retired if old.environments}
        if pool.environments:
            self._retired.add(pool)

    def _pools(self) -> Iterator[Pool]:
        for route in self._table.routes.values():
            yield from route.pools.values()
        yield from self._retired

    def environments(self) -> list[Environment]:
        """Everything that lives now; for status pages and tests."""
        return list(self._living)

    def loads(self) -> Iterator[FunctionLoad]:
        """What each function is doing now; for whoever renders metrics."""
        states: dict[str, Counter[str]] = {}
        for environment in self._living:
            arn = environment.target.function_arn
            states.setdefault(arn, Counter())[environment.state.value] += 1
        for route in self._table.routes.values():
            arn = route.targets.arn
            running = route.concurrency.running
            running += sum(own.running for own in route.provisioned.values())
            yield FunctionLoad(arn, running, states.pop(arn, {}))
        for arn, rest in states.items():  # of functions that were deleted meanwhile
            yield FunctionLoad(arn, 0, rest)

    async def close(self) -> None:
        """End every environment and wait until nothing of them is left."""
        self._keeper.close()
        self._pacer.close()
        self.snapshots.stop()
        for pool in list(self._pools()):
            pool.close()
        for environment in list(self._living):
            environment.close()
        await self._all_ended.wait()
        await self.snapshots.close()


def _current(targets: FunctionTargets) -> set[str]:
    """The versions that a client is likely to ask for."""
    numbers = [version for version in targets.versions if version.isdecimal()]
    newest = {max(numbers, key=int)} if numbers else set()
    return newest | {alias.version for alias in targets.aliases.values()}


def _differs(target: VersionTarget, old: VersionTarget) -> bool:
    """Whether environments of `old` must not serve `target`: other code, or otherwise made."""
    return target.generation != old.generation or target.snap_start != old.snap_start


def _arn(route: Route, qualifier: str | None) -> str:
    arn = route.arns[qualifier] = f"{route.targets.arn}:{qualifier}"
    return arn
