"""What a model costs: its file, the time of a fresh process to its first answer, the time of a row.

Each form runs in a process of its own (`python -m lambent.delivery.compiling.measure`), because what
it imports is most of a cold start. The clock begins before the interpreter does.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from lambent.cost.billing import billed_ms, invoke_cost
from lambent.cost.prices import PICO, default
from lambent.delivery.compiling.sample import Sample

MEMORY_MB: Final = 512
SECONDS: Final = 0.3
"""For how long rows are answered one by one."""
LIMIT_S: Final = 120


def measure(file: Path, sample: Sample) -> dict[str, Any] | None:
    """Facts about one form; None where it did not run."""
    rows = json.loads(sample.frame.head(1).to_json(orient="values"))
    asked = {
        "file": str(file),
        "row": rows[0],
        "columns": [str(one) for one in sample.frame.columns] if sample.named else None,
        "texts": sample.texts,
        "kinds": [one.kind for one in sample.columns],
        "begun": time.time(),
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", __name__],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    if done.returncode:
        return None
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    per_call = billed_ms(found["row_us"] / 1000)
    cost = invoke_cost(default(), per_call, MEMORY_MB)
    found["dollars_per_million"] = round(cost * 1_000_000 / PICO, 2)
    return {"bytes": file.stat().st_size, **found}


def _main() -> None:
    asked = json.loads(sys.stdin.read())
    call = _graph(asked) if asked["file"].endswith(".onnx") else _native(asked)
    call()
    cold = (time.time() - asked["begun"]) * 1000
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < SECONDS:
        call()
        count += 1
    row = (time.perf_counter() - begun) / count * 1e6
    print(json.dumps({"cold_start_ms": round(cold, 1), "row_us": round(row, 1)}))  # noqa: T201


def _graph(asked: dict[str, Any]) -> Any:
    import numpy as np

    from lambent.delivery.compiling.gate import open_session

    session = open_session(Path(asked["file"]).read_bytes())
    cells = [
        np.array([[value or ""]], object)
        if kind == "string"
        else np.array([[np.nan if value is None else value]], np.float32)
        for value, kind in zip(asked["row"], asked["kinds"], strict=True)
    ]
    inputs = session.get_inputs()
    if len(inputs) == 1:
        cells = [np.concatenate(cells, axis=1)]
    fed = {one.name: cell for one, cell in zip(inputs, cells, strict=True)}
    return lambda: session.run(None, fed)


def _native(asked: dict[str, Any]) -> Any:
    from lambent.delivery.compiling.sample import load_model

    model = load_model(Path(asked["file"]))
    row: Any = asked["row"]
    if asked["columns"]:
        import pandas as pd

        rows: Any = pd.DataFrame([row], columns=asked["columns"])
    else:
        import numpy as np

        rows = row if asked["texts"] else np.array([row], dtype=float)
    call = getattr(model, "predict_proba", model.predict)
    return lambda: call(rows)


if __name__ == "__main__":
    _main()
