"""A whole control room for tests: real SQLite, real packages, a clock turned by hand."""

from __future__ import annotations

import asyncio
import io
import itertools
import zipfile
from contextlib import asynccontextmanager

import msgspec
import pytest

from lambent.clock import ManualClock
from lambent.control import capacity_requests, requests
from lambent.control.names import Scope
from lambent.control.service import Control
from lambent.control.targets import Allocation
from lambent.settings import Settings
from lambent.store.artifacts import Artifacts
from lambent.store.database import Database

SCOPE = Scope("123456789012", "us-east-1")
ROLE = "arn:aws:iam::123456789012:role/lambda"
DELAY_S = 0.3


class Listener:
    """Keeps what the engine would hold, and every push in order."""

    def __init__(self):
        self.targets = {}
        self.pushes = []
        self.allocations = {}

    def function_changed(self, targets):
        self.targets[targets.account, targets.region, targets.name] = targets
        self.pushes.append(targets)

    def allocation(self, account, region, name, version):
        """All that is wanted stands at once, unless a test says otherwise in `allocations`."""
        wanted = self.targets[account, region, name].provisioned.get(version)
        standing = Allocation() if wanted is None else Allocation(wanted.requested)
        return self.allocations.get(version, standing)

    def function_deleted(self, account, region, name):
        del self.targets[account, region, name]
        self.pushes.append(None)


class Runtimes:
    """Ruby 3.2 is blocked; everything else is fine."""

    def is_blocked(self, runtime, change, time_ms):
        return runtime == "ruby3.2"

    def version_arn(self, runtime, region):
        return f"arn:aws:lambda:{region}::runtime:{runtime.encode().hex()}"


def make_zip(text="def handler(event, context): return event\n", **files):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as z:
        z.writestr("app.py", text)
        for name, content in files.items():
            z.writestr(name, content)
    return made.getvalue()


class World:
    """One running control room; `do` sends a request as the API would."""

    SCOPE, ROLE, make_zip = SCOPE, ROLE, staticmethod(make_zip)

    def __init__(self, root, clock, **settings):
        self.root = root
        self.clock = clock
        self.settings = Settings(**{"state_delay_s": DELAY_S, **settings})
        self.listener = Listener()
        self.ids = itertools.count(1)
        self.database = Database(root / "state" / "lambent.db")
        self.artifacts = Artifacts(root / "code")

    async def open(self):
        await self.database.open()
        self.control = Control(
            database=self.database,
            artifacts=self.artifacts,
            listener=self.listener,
            allocator=self.listener,
            runtimes=Runtimes(),
            settings=self.settings,
            clock=self.clock,
            secret=b"s" * 32,
        )
        await self.control.open()

    async def close(self):
        await self.control.close()
        await self.database.close()

    async def do(self, operation, scope=SCOPE, **members):
        """The answer of an operation, as a client would parse it; members by AWS's names."""
        call, request_type, extra = self._operation(operation)
        request = msgspec.convert(members, request_type)
        answer = await call(scope, *([] if request is None else [request]), *extra)
        return msgspec.to_builtins(answer)

    def _operation(self, operation):
        c, r = self.control, requests
        cr = capacity_requests
        table = {
            "CreateFunction": (c.functions.create, r.CreateFunction, []),
            "GetFunction": (c.functions.get, r.QualifiedFunction, ["http://here"]),
            "GetFunctionConfiguration": (
                c.functions.get_configuration,
                r.QualifiedFunction,
                [],
            ),
            "UpdateFunctionConfiguration": (
                c.functions.update_configuration,
                r.UpdateFunctionConfiguration,
                [],
            ),
            "UpdateFunctionCode": (c.functions.update_code, r.UpdateFunctionCode, []),
            "DeleteFunction": (c.functions.delete, r.QualifiedFunction, []),
            "ListFunctions": (c.functions.list, r.ListFunctions, []),
            "PublishVersion": (c.versions.publish, r.PublishVersion, []),
            "ListVersionsByFunction": (c.versions.list, r.ListVersionsByFunction, []),
            "CreateAlias": (c.aliases.create, r.CreateAlias, []),
            "GetAlias": (c.aliases.get, r.NamedAlias, []),
            "UpdateAlias": (c.aliases.update, r.UpdateAlias, []),
            "DeleteAlias": (c.aliases.delete, r.NamedAlias, []),
            "ListAliases": (c.aliases.list, r.ListAliases, []),
            "PutFunctionConcurrency": (c.concurrency.put, r.PutFunctionConcurrency, []),
            "GetFunctionConcurrency": (c.concurrency.get, r.UnqualifiedFunction, []),
            "DeleteFunctionConcurrency": (c.concurrency.delete, r.UnqualifiedFunction, []),
            "CreateCapacityProvider": (
                c.capacity_providers.create,
                cr.CreateCapacityProvider,
                [],
            ),
            "GetCapacityProvider": (c.capacity_providers.get, cr.NamedCapacityProvider, []),
            "ListCapacityProviders": (c.capacity_providers.list, cr.ListCapacityProviders, []),
            "UpdateCapacityProvider": (
                c.capacity_providers.update,
                cr.UpdateCapacityProvider,
                [],
            ),
            "DeleteCapacityProvider": (
                c.capacity_providers.delete,
                cr.NamedCapacityProvider,
                [],
            ),
            "ListFunctionVersionsByCapacityProvider": (
                c.capacity_providers.versions,
                cr.ListVersionsByCapacityProvider,
                [],
            ),
            "PutFunctionScalingConfig": (c.scaling.put, cr.PutScalingConfig, []),
            "GetFunctionScalingConfig": (c.scaling.get, cr.GetScalingConfig, []),
            "PutProvisionedConcurrencyConfig": (
                c.provisioned.put,
                r.PutProvisionedConcurrency,
                [],
            ),
            "GetProvisionedConcurrencyConfig": (c.provisioned.get, r.ProvisionedFunction, []),
            "ListProvisionedConcurrencyConfigs": (
                c.provisioned.list,
                r.ListProvisionedConcurrency,
                [],
            ),
            "DeleteProvisionedConcurrencyConfig": (
                c.provisioned.delete,
                r.ProvisionedFunction,
                [],
            ),
        }
        return table[operation]

    async def account(self, scope=SCOPE):
        return msgspec.to_builtins(await self.control.account_settings.get(scope))

    async def create(self, name="fn", scope=SCOPE, *, settled=True, **members):
        """A function of python3.12, Active unless `settled` is false."""
        asked = {
            "FunctionName": name,
            "Runtime": "python3.12",
            "Role": ROLE,
            "Handler": "app.handler",
            "Code": {"ZipFile": make_zip()},
            **members,
        }
        answer = await self.do("CreateFunction", scope, **asked)
        if settled:
            await self.settle()
        return answer

    async def settle(self):
        """Let every transition that waits complete."""
        for _ in range(3):
            await self.clock.advance(DELAY_S)
            while changing := self.control._registry._changing:
                await asyncio.wait(set(changing))

    async def get(self, name="fn", qualifier=None, scope=SCOPE):
        return await self.do(
            "GetFunctionConfiguration", scope, FunctionName=name, Qualifier=qualifier
        )

    def target(self, version="$LATEST", name="fn", scope=SCOPE):
        return self.listener.targets[*scope, name].versions[version]


@pytest.fixture
def world(tmp_path):
    """`world(main)` runs a coroutine over an open world; the data stays between two calls."""

    def run(main, **settings):
        async def whole():
            async with opened(tmp_path, **settings) as opened_world:
                return await main(opened_world)

        return asyncio.run(asyncio.wait_for(whole(), 100))

    return run


@asynccontextmanager
async def opened(root, **settings):
    found = World(root, ManualClock(), **settings)
    await found.open()
    try:
        yield found
    finally:
        await found.close()
