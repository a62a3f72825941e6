"""`lambent model compile model.onnx`, step by step: check, tell, try, make smaller, judge, package."""

from __future__ import annotations

import io
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from lambent.delivery.compiling import packaging
from lambent.delivery.graphs import evidence, facts, labels, loss, purpose, quantise, served
from lambent.delivery.problem import USAGE, Problem

FILE: Final = "model.onnx"
GREY: Final = (114, 114, 114)
SECONDS: Final = 0.3
"""For how long a graph is timed."""
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What the user asks for."""

    graph: Path
    into: Path
    id: str
    version: str = "1"
    said: purpose.Said = field(default_factory=purpose.Said)
    sample: Path | None = None
    target: str | None = None
    """The sample's column with the right answers."""
    int8: bool = False
    max_loss: float = loss.LIMIT
    accept_loss: bool = False
    licence: str | None = None


def compile_graph(order: Order, progress: Progress = lambda _: None) -> dict[str, Any]:
    """Make the package; the report that lies in it, too."""
    served.needed()
    packaging.refuse_existing(order.into)
    if order.int8 and order.sample is None:
        raise Problem(
            "SAMPLE_MISSING",
            "without a sample nothing is quantised",
            why="8 bits can lose what the graph knows; rows or pictures show how much",
            fix="--sample rows.csv --target COLUMN, or a folder of pictures in folders by label",
            exit_code=USAGE,
        )
    progress("checking the graph")
    found = facts.check(order.graph)
    told = purpose.tell(found, order.said)
    with tempfile.TemporaryDirectory(prefix="lambent-compile-") as scratch:
        folder = Path(scratch) / "package"
        folder.mkdir()
        report = _fill(folder, order, found, told, progress)
        shutil.copytree(folder, order.into, dirs_exist_ok=True)
    return {**report, "folder": str(order.into), "notes": list(told.notes)}


def _fill(
    folder: Path, order: Order, found: facts.Facts, told: purpose.Purpose, progress: Progress
) -> dict[str, Any]:
    labelled = _write(folder, order, found, told)
    tried = _evidence(order, found, told)
    _describe(folder, order, found, told, tried)
    progress("asking the inference server")
    plain = served.Served(folder)
    try:
        if not len(tried):
            tried = _made(plain)
        answers = plain.answers(tried)
        report: dict[str, Any] = {
            "model": f"{order.id}/{order.version}",
            "form": "onnx",
            "task": told.task,
            "family": told.family,
            "graph": found.report(),
            "label_added": labelled,
            "bytes": _weight(folder),
            "run_us": _timed(plain, tried),
        }
        if order.int8:
            progress("quantising and comparing")
            report["int8"] = _smaller(folder, order, found, plain, tried, answers)
    finally:
        plain.close()
    asked = evidence.as_request(tried, f"{order.id}/{order.version}", told.task)
    text = json.dumps(asked, indent=2, ensure_ascii=False) + "\n"
    (folder / packaging.WARM_UP).write_text(text)
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    (folder / packaging.REPORT).write_text(text)
    _describe(folder, order, found, told, tried)
    return report


def _write(folder: Path, order: Order, found: facts.Facts, told: purpose.Purpose) -> bool:
    """The graph (and its weights) in the folder; whether a label was added to it."""
    if told.task == "tabular" and labels.wanted(found):
        labels.add(order.graph, folder / FILE, found, told.classes)
        return True
    shutil.copyfile(order.graph, folder / FILE)
    for name in found.data:
        shutil.copyfile(order.graph.parent / name, folder / name)
    return False


def _evidence(order: Order, found: facts.Facts, told: purpose.Purpose) -> evidence.Evidence:
    if order.sample is None:
        return evidence.Evidence()
    if told.pictures:
        return evidence.pictures(order.sample)
    width = None if len(found.inputs) > 1 else _last(found.inputs[0])
    names = tuple(one.name for one in found.inputs)
    return evidence.table(order.sample, order.target, width or len(names), names)


def _last(port: facts.Port) -> int | None:
    size = port.shape[-1] if port.shape else None
    return size if isinstance(size, int) else None


def _made(plain: served.Served) -> evidence.Evidence:
    """A question to warm up with, where no sample was given."""
    if plain.size is not None:
        from PIL import Image

        stream = io.BytesIO()
        Image.new("RGB", plain.size, GREY).save(stream, "PNG")
        with tempfile.TemporaryDirectory(prefix="lambent-grey-") as scratch:
            picture = Path(scratch) / "grey.png"
            picture.write_bytes(stream.getvalue())
            return evidence.pictures(picture)
    empty = {"string": "", "boolean": False}
    return evidence.Evidence(rows=({one.name: empty.get(one.kind, 0) for one in plain.features},))


def _describe(
    folder: Path,
    order: Order,
    found: facts.Facts,
    told: purpose.Purpose,
    tried: evidence.Evidence,
) -> None:
    about = {
        "id": order.id, "version": order.version, "task": told.task, "family": told.family, **told.more,
    }  # fmt: skip
    if order.licence:
        about["licence"] = order.licence
    features = list(tried.columns) or _features(found, told)
    packaging.write_manifest(folder, FILE, about, features, list(told.classes))


def _features(found: facts.Facts, told: purpose.Purpose) -> list[dict[str, Any]]:
    if told.pictures:
        return []
    if len(found.inputs) > 1:
        return [
            {"name": one.name, "kind": "string" if one.kind == "string" else "number"}
            for one in found.inputs
        ]
    width = _last(found.inputs[0])
    if width is None:
        raise purpose.unsuitable(
            f"{found.inputs[0]}: how many columns it takes is open; --sample rows.csv says it"
        )
    return [{"name": f"x{place}", "kind": "number"} for place in range(width)]


def _smaller(
    folder: Path,
    order: Order,
    found: facts.Facts,
    plain: served.Served,
    tried: evidence.Evidence,
    answers: tuple[Any, ...],
) -> dict[str, Any]:
    """Quantise in place; what it brought and cost. Raises Problem where that is too much."""
    with tempfile.TemporaryDirectory(prefix="lambent-int8-") as scratch:
        other = Path(scratch) / "package"
        shutil.copytree(folder, other)
        for name in found.data:
            (other / name).unlink()
        method = quantise.int8(folder / FILE, other / FILE, found, plain.feeds(tried))
        told = json.loads((folder / "model.json").read_text())
        files = packaging.described(other)
        (other / "model.json").write_text(json.dumps(told | {"files": files}))
        small = served.Served(other)
        try:
            cost = loss.measure(answers, small.answers(tried), tried)
            facts_ = {
                "method": method,
                **cost.facts(),
                "limit": order.max_loss,
                "accepted": cost.lost > order.max_loss,
                "bytes": _weight(other),
                "run_us": _timed(small, tried),
            }
        finally:
            small.close()
        if cost.lost > order.max_loss and not order.accept_loss:
            raise _too_much(cost, order)
        for name in (FILE, *found.data):
            (folder / name).unlink()
        shutil.copyfile(other / FILE, folder / FILE)
    return facts_


def _too_much(cost: loss.Loss, order: Order) -> Problem:
    return Problem(
        "QUANTISATION_LOSS",
        f"8 bits lose {cost.lost:.1%} of {cost.measure} on the sample; {order.max_loss:.1%} is allowed",
        why=f"{cost.measure} {cost.before:.4f} → {cost.after:.4f} on {cost.rows} rows or pictures",
        fix="leave --int8 out, or --accept-loss (or --max-loss SHARE) if that is good enough",
    )


def _weight(folder: Path) -> int:
    left = {"model.json", packaging.WARM_UP, packaging.REPORT}
    return sum(path.stat().st_size for path in folder.iterdir() if path.name not in left)


def _timed(plain: served.Served, tried: evidence.Evidence) -> float:
    """Microseconds for one row or picture, everything but HTTP included; the best of many."""
    one = replace(tried, rows=tried.rows[:1], images=tried.images[:1])
    best, until = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        begun = time.perf_counter()
        plain.answers(one)
        best = min(best, time.perf_counter() - begun)
    return round(best * 1e6, 1)


def summary(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What to say about it, as labelled lines."""
    graph = report["graph"]
    made = f"opset {graph['opset']}, IR {graph['ir_version']}"
    lines = [
        (
            "made",
            f"{report['model']} in {report['folder']}  ({report['task']}, {report['family']})",
        ),
        ("graph", f"{made}  {graph['producer']}".rstrip()),
    ]
    for label, ports in (("takes", graph["inputs"]), ("gives", graph["outputs"])):
        lines += [
            (label, str(facts.Port(**{**one, "shape": tuple(one["shape"])}))) for one in ports
        ]
    if report["label_added"]:
        lines.append(("label", "a label and probabilities were added to its row of numbers"))
    size = f"{report['bytes'] / 1e6:.2f} MB, {report['run_us']:.0f} µs a row or picture"
    lines.append(("plain" if "int8" in report else "size", size))
    if small := report.get("int8"):
        size = f"{small['bytes'] / 1e6:.2f} MB, {small['run_us']:.0f} µs, {small['method']}"
        change = (
            f"{small['measure']} {small['before']:.4f} → {small['after']:.4f} on {small['rows']}"
        )
        lines.append(("int8", f"{size}; {change}"))
    return lines
