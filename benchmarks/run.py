"""Run the measures, print a table, write results.json: `make bench [ONLY=name]`.

Results of a partial run replace those of the same names and keep the others.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.cases import CASES, Result
from benchmarks.compile_cases import COMPILE_CASES
from benchmarks.image_cases import IMAGE_CASES
from benchmarks.inference_cases import INFERENCE_CASES
from benchmarks.layer_cases import LAYER_CASES
from benchmarks.model_cases import MODEL_CASES
from benchmarks.runtime_cases import RUNTIME_CASES
from benchmarks.snapshot_cases import SNAPSHOT_CASES

RESULTS = Path(__file__).parent / "results.json"
HALT_POLL = Path("/sys/module/haltpoll/parameters/guest_halt_poll_ns")


ALL = (
    CASES
    | RUNTIME_CASES
    | INFERENCE_CASES
    | MODEL_CASES
    | COMPILE_CASES
    | SNAPSHOT_CASES
    | LAYER_CASES
    | IMAGE_CASES
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="NAME", help="one measure, for example warm_invoke_p50")
    only = parser.parse_args().only
    chosen = {
        n: case for n, case in ALL.items() if not only or only.startswith(n) or n.startswith(only)
    }
    if not chosen:
        print(f"error: no measure is called {only!r}\n  fix   one of: {', '.join(ALL)}")
        return 2
    results: list[Result] = []
    for name, case in chosen.items():
        print(f"› {name}", flush=True)
        for one in case():
            results.append(one)
            print(f"    {_line(one)}", flush=True)
    _write(results)
    print()
    for one in results:
        print(_line(one))
    return 0


def _line(one: Result) -> str:
    peer = "" if one.peer is None else f"  peer {one.peer:>10.2f}  ratio {one.ratio:.3f}"
    mark = "met" if one.met else "MISSED"
    return f"{one.name:<26}{one.ours:>12.2f} {one.unit:<13}{peer:<36}  budget {one.budget}: {mark}"


def _write(results: list[Result]) -> None:
    rows = {}
    if RESULTS.exists():
        rows = {row["name"]: row for row in json.loads(RESULTS.read_text())["results"]}
    rows |= {one.name: one.row() for one in results}
    machine = {
        "cpus": os.cpu_count(),
        "processor": platform.machine(),
        "kernel": platform.release().split("-")[0],
        "python": platform.python_version(),
        # Decides what a wake-up costs on a virtual machine; `lambent doctor` tells of it.
        "guest_halt_poll_ns": int(HALT_POLL.read_text()) if HALT_POLL.exists() else None,
    }
    document = {"machine": machine, "results": list(rows.values())}
    RESULTS.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
