"""What a model costs as a function: deployed to a server of one's own, called, and taken away again.

The figures are the REPORT lines of the function that `lambent deploy --model` would make, in its
sandbox and with its limits: what a caller waits for and what is billed. `measure` is the quick
look in a bare process, for where there is no server.
"""

from __future__ import annotations

import base64
import json
import statistics
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from lambent.cost.billing import invoke_cost
from lambent.cost.prices import PICO, default
from lambent.delivery import deploy, model_function, package, upload
from lambent.delivery.aws import Aws
from lambent.delivery.compiling import packaging
from lambent.delivery.model_source import Source
from lambent.delivery.problem import Problem
from lambent.delivery.template import FunctionPlan

STARTS: Final = 2
CALLS: Final = 30
ROWS: Final = 100
"""In one call, beside a call of one: what a row more takes."""


class Reported(Protocol):
    """What a REPORT line says."""

    @property
    def duration_ms(self) -> float: ...
    @property
    def billed_ms(self) -> int: ...
    @property
    def used_mb(self) -> int: ...
    @property
    def init_ms(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Bench:
    """Where to measure, and who reads the lines."""

    aws: Aws
    runtime: str
    direct_limit: int
    parse: Callable[[str], Reported | None]


def measure(bench: Bench, folder: Path) -> dict[str, Any]:
    """Facts about one package; raises Problem where it cannot be deployed or does not answer."""
    event = json.loads((folder / packaging.WARM_UP).read_text())
    with tempfile.TemporaryDirectory(prefix="lambent-measure-") as scratch:
        plan = model_function.plan(Source(folder), Path(scratch) / "function", bench.runtime)
        plan = replace(plan, name=f"compile-{uuid.uuid4().hex[:12]}", snap_start=False)
        recipe = package.Recipe(plan.folder, plan.runtime, direct_limit=bench.direct_limit)
        built = package.build(recipe)
        try:
            uploaded = upload.if_large(bench.aws, None, plan.name, built)
            deploy.bring(bench.aws, plan, built, uploaded=uploaded)
            found = _called(bench, plan, event)
        finally:
            _remove(bench.aws, plan.name)
    manifest = json.loads((folder / "model.json").read_text())
    model = folder / manifest["model"]
    return {"bytes": model.stat().st_size, "zip_bytes": len(built.data), **found}


def _called(bench: Bench, plan: FunctionPlan, event: dict[str, Any]) -> dict[str, Any]:
    starts = []
    for number in range(STARTS):
        if number:
            _renew(bench.aws, plan, number)
        said = _call(bench, plan.name, event)
        starts.append((said.init_ms or 0.0) + said.duration_ms)
    alone = [_call(bench, plan.name, event) for _ in range(CALLS)]
    many = {"features": [event["features"]] * ROWS}
    together = [_call(bench, plan.name, many) for _ in range(CALLS // 3)]
    one_ms = statistics.median(one.duration_ms for one in alone)
    all_ms = statistics.median(one.duration_ms for one in together)
    billed = round(statistics.median(one.billed_ms for one in alone))
    cost = invoke_cost(default(), billed, plan.memory_mb)
    return {
        "cold_start_ms": round(min(starts), 1),
        "call_ms": round(one_ms, 2),
        "row_us": round(max(0.0, all_ms - one_ms) / (ROWS - 1) * 1000, 1),
        "used_mb": max(one.used_mb for one in alone),
        "memory_mb": plan.memory_mb,
        "dollars_per_million": round(cost * 1_000_000 / PICO, 2),
    }


def _call(bench: Bench, name: str, event: dict[str, Any]) -> Reported:
    answer = bench.aws.invoker.invoke(
        FunctionName=name, Payload=json.dumps(event).encode(), LogType="Tail"
    )
    tail = base64.b64decode(answer["LogResult"]).decode(errors="replace")
    said = bench.parse(tail)
    if "FunctionError" in answer or said is None:
        text = answer["Payload"].read().decode(errors="replace")
        raise Problem(
            "MEASURE_FAILED",
            "the model did not answer as a function",
            why=text[:300],
            fix="--no-measure leaves times and costs out",
        )
    return said


def _renew(aws: Aws, plan: FunctionPlan, number: int) -> None:
    """A changed configuration has no environment yet: the next call starts one."""
    aws.functions.update_function_configuration(
        FunctionName=plan.name,
        Environment={"Variables": {**plan.environment, "LAMBENT_ROUND": str(number)}},
    )
    waiter = aws.functions.get_waiter("function_updated_v2")
    waiter.wait(FunctionName=plan.name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})


def _remove(aws: Aws, name: str) -> None:
    client = aws.functions
    try:
        client.delete_function(FunctionName=name)
    except client.exceptions.ResourceNotFoundException:
        return
