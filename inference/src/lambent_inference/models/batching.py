"""Requests for one model that meet run together; one that comes alone waits for nobody.

It is answered on one thread, from its pixels to its boxes (`alone`). While a run is on, requests
gather; the next run takes what is there, up to the model's maximum. Before it starts, it waits at
most MAX_BATCH_DELAY_MS, and only if calls that were let in are still making their tensors: where one
call runs at a time (a function), nothing ever waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from lambent_inference import work
from lambent_inference.models import batches
from lambent_inference.models.loading import Model
from lambent_inference.models.tasks.decoder import Array, Prepared


@dataclass(slots=True, eq=False)
class _Waiting:
    prepared: Prepared
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    """Answered, or its turn to lead."""
    outputs: Sequence[Array] | None = None
    failure: Exception | None = None

    @property
    def answered(self) -> bool:
        return self.outputs is not None or self.failure is not None


class Batcher:
    """Of one loaded model. The calls in flight drive it; it has no task of its own."""

    def __init__(self, model: Model, *, delay_s: float) -> None:
        self._model = model
        self._delay_s = delay_s
        self._queue: list[_Waiting] = []
        self._running = False
        self._company: asyncio.Event | None = None
        self.arriving = 0
        """Calls that will bring a tensor soon."""
        self.runs = 0
        self.requests = 0

    @property
    def batches(self) -> bool:
        return self._delay_s > 0 and self._model.max_batch > 1

    @property
    def idle(self) -> bool:
        """Whether nothing is on or about to be, or runs are not shared anyway."""
        return not self.batches or not (self._running or self._queue or self.arriving)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """A run outside of the queue; those that come meanwhile gather, as behind any other run."""
        self.runs += 1
        self.requests += 1
        self._running = self.batches
        try:
            yield
        finally:
            self._running = False
            self._pass_on()

    async def outputs(self, prepared: Prepared) -> Sequence[Array]:
        """The graph's outputs for one request."""
        mine = _Waiting(prepared)
        self._queue.append(mine)
        self.looked()
        try:
            while not mine.answered:
                if self._running:
                    await mine.woken.wait()
                    mine.woken.clear()
                else:
                    await self._lead()
        finally:
            if mine in self._queue:  # cancelled before its run
                self._queue.remove(mine)
                self._pass_on()
        if mine.failure is not None:
            raise mine.failure
        assert mine.outputs is not None
        return mine.outputs

    def looked(self) -> None:
        """Somebody came, or will not come: whoever waits for company looks again."""
        if self._company is not None:
            self._company.set()

    async def _lead(self) -> None:
        """One run, by whichever call is there when none is on."""
        self._running = True
        group: list[_Waiting] = []
        try:
            await self._wait_for_company()
            group = self._taken()
            self.runs += 1
            self.requests += len(group)
            shares = await work.run(batches.run, self._model, [one.prepared for one in group])
            for one, share in zip(group, shares, strict=True):
                one.outputs = share
        except Exception as error:  # noqa: BLE001 - it belongs to every request of the run
            for one in group:
                one.failure = error
        finally:
            self._running = False
            # A leader that was cancelled in the middle leaves the others unanswered.
            self._queue[:0] = [one for one in group if not one.answered]
            for one in group:
                one.woken.set()
            self._pass_on()

    def _pass_on(self) -> None:
        if self._queue and not self._running:
            self._queue[0].woken.set()

    async def _wait_for_company(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._delay_s
        while self.arriving and self._rows() < self._model.max_batch:
            self._company = asyncio.Event()
            try:
                async with asyncio.timeout_at(end):
                    await self._company.wait()
            except TimeoutError:
                return
            finally:
                self._company = None

    def _rows(self) -> int:
        return sum(one.prepared.count for one in self._queue)

    def _taken(self) -> list[_Waiting]:
        """The oldest request, and those behind it that may share its run."""
        first = self._queue[0]
        rows = 0
        group: list[_Waiting] = []
        for one in self._queue:
            fits = not group or rows + one.prepared.count <= self._model.max_batch
            if fits and batches.alike(first.prepared, one.prepared):
                group.append(one)
                rows += one.prepared.count
        self._queue = [one for one in self._queue if one not in group]
        return group
