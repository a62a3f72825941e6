"""Several requests in one run of the graph, and each its own part of the outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lambent_inference.models.tasks.decoder import Array, Prepared

if TYPE_CHECKING:
    from lambent_inference.models.loading import Model


def alike(one: Prepared, other: Prepared) -> bool:
    """Whether two requests may share a run."""
    return (
        one.part == other.part
        and one.group == other.group
        and one.feeds.keys() == other.feeds.keys()
        and all(feed.shape[1:] == other.feeds[name].shape[1:] for name, feed in one.feeds.items())
    )


def run(model: Model, group: Sequence[Prepared]) -> list[list[Array]]:
    """The outputs of each request; all of them are alike."""
    part = group[0].part
    if len(group) == 1:
        feeds = dict(group[0].feeds)
    else:
        feeds = {
            name: np.concatenate([one.feeds[name] for one in group]) for name in group[0].feeds
        }
    total = sum(one.count for one in group)
    outputs = _run_in_steps(model, part, feeds, total)
    shares: list[list[Array]] = []
    begin = 0
    for one in group:
        shares.append([output[begin : begin + one.count] for output in outputs])
        begin += one.count
    return shares


def _run_in_steps(model: Model, part: str, feeds: dict[str, Array], total: int) -> list[Array]:
    """As many at once as the graph takes; one request may bring more."""
    runner = model.runners[part]
    step = model.fixed_batch or model.max_batch
    if total <= step and model.fixed_batch in {None, total}:
        return runner.run(feeds)
    parts = []
    for begin in range(0, total, step):
        cut = {name: feed[begin : begin + step] for name, feed in feeds.items()}
        there = min(step, total - begin)
        if model.fixed_batch and there < model.fixed_batch:
            cut = {name: _padded(feed, model.fixed_batch) for name, feed in cut.items()}
        parts.append([output[:there] for output in runner.run(cut)])
    return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]


def _padded(feed: Array, size: int) -> Array:
    missing = np.repeat(feed[-1:], size - len(feed), axis=0)
    return np.concatenate([feed, missing])
