"""Holds the loaded models: loads on demand, once per model at a time, within the owner's budget.

A call finds its model, or leads its loading while the others wait for that. Room is made by the
least recently used models that are not pinned: such a model takes no further calls, and goes when
the running ones are done. All of this happens on the event loop, between awaits; what blocks goes to
`work`. Nothing here belongs to a loop between calls, because a process that was copied has another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lambent_inference import work
from lambent_inference.errors import (
    InvalidRequest,
    ModelNotLoaded,
    NotReady,
    TooLarge,
    WrongFamily,
)
from lambent_inference.models.contract import (
    Answer,
    Description,
    Family,
    Image,
    Load,
    Loaded,
    Outcome,
    Task,
    Usage,
)
from lambent_inference.models.memory import budget_bytes
from lambent_inference.models.registries.source import Found
from lambent_inference.models.store import Store
from lambent_inference.renewal import on_renewal
from lambent_inference.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambent_inference.models.batching import Batcher
    from lambent_inference.models.loading import Model


@dataclass(slots=True, eq=False)
class Entry:
    """One loaded model and who uses it."""

    found: Found
    model: Model
    batcher: Batcher
    aliases: set[str] = field(default_factory=set)
    calls: int = 0
    """In flight."""
    answered: int = 0
    seconds: float = 0.0

    @property
    def description(self) -> Description:
        own = self.model.description
        return replace(own, aliases=tuple(sorted(self.aliases - {own.model_id})))


def make(settings: Settings) -> ModelManager:
    return ModelManager(settings, Store(settings))


class ModelManager:
    """See `contract.Manager`. Only ever used on one event loop at a time."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._budget = budget_bytes(settings)
        self._loaded: dict[str, Entry] = {}
        """By resolved id, the least recently used first."""
        self._leaving: list[Entry] = []
        self._names: dict[str, str] = {}
        """Resolved ids by the names that were asked for."""
        self._loading: dict[str, asyncio.Event] = {}
        self._one_load: asyncio.Lock | None = None
        self._changed: asyncio.Event | None = None
        on_renewal(self._forget_loop)

    def _forget_loop(self) -> None:
        """In a copied process: loads that were under way are nobody's."""
        self._loading.clear()
        self._one_load = None
        self._changed = None

    # ── what routes call ──

    async def add(
        self, model_id: str, *, api_key: str | None = None, model_type: str | None = None
    ) -> Loaded:
        del model_type  # the package says it
        async with self._used(model_id, api_key) as (entry, load):
            return Loaded(entry.description, load)

    async def remove(self, model_id: str) -> None:
        entry = self._under(self._store.name(model_id))
        if entry is None:
            raise ModelNotLoaded(model_id)
        await self._unload(entry)
        if self._settings.disk_cache_cleanup and entry.found.forget is not None:
            await work.wait(entry.found.forget)

    async def clear(self) -> None:
        for entry in list(self._loaded.values()):
            await self._unload(entry)
        if self._settings.disk_cache_cleanup:
            await work.wait(self._store.cache.clear)

    def _under(self, name: str) -> Entry | None:
        """What is loaded under a name, also one that nobody used yet: a model without its version."""
        if (entry := self._loaded.get(self._names.get(name, name))) is not None:
            return entry
        versions = [e for e in self._loaded.values() if e.found.model_id.rpartition("/")[0] == name]
        return versions[0] if len(versions) == 1 else None

    def describe(self) -> Sequence[Description]:
        return [entry.description for entry in self._loaded.values()]

    def fixed(self, family: Family) -> str | None:
        """The only loaded model of a family, or the only pinned one."""
        ids = [
            e.found.model_id for e in self._loaded.values() if e.model.description.family is family
        ]
        pinned = [one for one in ids if self._is_pinned(self._loaded[one])]
        for some in (pinned, ids):
            if len(some) == 1:
                return some[0]
        return None

    def usage(self) -> Sequence[Usage]:
        return [
            Usage(
                entry.found.model_id,
                entry.model.description.version,
                entry.answered,
                entry.batcher.runs,
                entry.calls,
                entry.model.description.memory_bytes,
            )
            for entry in self._loaded.values()
        ]

    async def infer(
        self,
        model_id: str,
        task: Task,
        images: Sequence[Image] = (),
        *,
        api_key: str | None = None,
    ) -> Outcome:
        async with self._used(model_id, api_key) as (entry, load):
            self._check(entry, model_id, task)
            began = time.perf_counter()
            answers = await self._answers(entry, task, images)
            seconds = time.perf_counter() - began
            entry.answered += 1
            entry.seconds += seconds
            loads = () if load is None else (load,)
            return Outcome(model=entry.description, answers=answers, seconds=seconds, loads=loads)

    @staticmethod
    async def _answers(entry: Entry, task: Task, images: Sequence[Image]) -> tuple[Answer, ...]:
        if entry.batcher.idle:  # nobody to share a run with: all on one thread, without a change
            with entry.batcher.alone():
                return await work.run(_answer, entry.model, task, images)
        decoder = entry.model.decoder
        with _arriving(entry.batcher):
            prepared = await work.run(decoder.prepare, task, images)
        outputs = await entry.batcher.outputs(prepared)
        return await work.run(decoder.finish, outputs, prepared, task)

    @staticmethod
    def _check(entry: Entry, model_id: str, task: Task) -> None:
        asks = entry.model.decoder.asks
        # Exactly: a question for masks is one for boxes too, but not the same one.
        if type(task) not in asks:
            wanted = FAMILIES.get(type(task).__name__, "something else")
            raise WrongFamily(model_id, entry.model.description.family, wanted)

    # ── finding and loading ──

    @asynccontextmanager
    async def _used(
        self, model_id: str, api_key: str | None
    ) -> AsyncIterator[tuple[Entry, Load | None]]:
        """The model, loaded and kept for as long as the block lasts."""
        if not model_id:
            raise InvalidRequest("The request names no model.")
        name = self._store.name(model_id)
        entry, load = await self._entry(name, api_key)
        entry.aliases.update({model_id, name})
        try:
            yield entry, load
        finally:
            self._done(entry)

    async def _entry(self, name: str, api_key: str | None) -> tuple[Entry, Load | None]:
        """Its `calls` counts us already."""
        while True:
            entry = self._loaded.get(self._names.get(name, name))
            if entry is not None:
                entry.calls += 1
                resolved = entry.found.model_id
                self._loaded[resolved] = self._loaded.pop(resolved)
                return entry, None
            if (under_way := self._loading.get(name)) is not None:
                await self._patiently(under_way)
                continue
            began = time.perf_counter()
            done = self._loading[name] = asyncio.Event()
            try:
                entry, new = await self._load(name, api_key)
                entry.calls += 1
            finally:
                self._loading.pop(name, None)
                done.set()
            seconds = time.perf_counter() - began
            return entry, Load(entry.found.model_id, seconds) if new else None

    async def _load(self, name: str, api_key: str | None) -> tuple[Entry, bool]:
        """The model, and whether it had to be loaded."""
        found = await work.wait(self._store.find, name, api_key)
        if found.forget is not None:  # fetched now, so that a slow registry holds nobody else up
            await work.wait(_fetched, found)
        async with self._one_at_a_time():
            # Another name for the same model may have been quicker.
            if (there := self._loaded.get(found.model_id)) is not None:
                self._names[name] = found.model_id
                return there, False
            await self._make_room(found.size_bytes)
            entry = await self._opened(found)
            self._loaded[found.model_id] = entry
            self._names[name] = found.model_id
        return entry, True

    @asynccontextmanager
    async def _one_at_a_time(self) -> AsyncIterator[None]:
        """Loads follow one another, so that each sees what room the others left."""
        lock = self._one_load = self._one_load or asyncio.Lock()
        async with self._patience():
            await lock.acquire()
        try:
            yield
        finally:
            lock.release()

    async def _opened(self, found: Found) -> Entry:
        from lambent_inference.models.batching import Batcher
        from lambent_inference.models.loading import load

        model = await work.wait(load, found, self._settings)
        held = model.description.memory_bytes
        try:
            await self._make_room(held)
        except TooLarge:
            model.close()
            raise
        delay = self._settings.max_batch_delay_ms / 1000
        return Entry(found, model, Batcher(model, delay_s=delay))

    # ── room ──

    async def _make_room(self, wanted: int) -> None:
        """Until one more model of `wanted` bytes fits; raises TooLarge where it never will."""
        while not self._fits(wanted):
            going = next((e for e in self._loaded.values() if not self._is_pinned(e)), None)
            if going is not None:
                await self._unload(going)
            elif self._leaving:
                await self._patiently(self._next_change())
            else:
                raise TooLarge(detail=f"{wanted} bytes beside {self._held()} of {self._budget}")

    def _fits(self, wanted: int) -> bool:
        there = len(self._loaded) + len(self._leaving)
        if there >= self._settings.max_active_models:
            return False
        return not self._budget or self._held() + wanted <= self._budget

    def _held(self) -> int:
        models = (*self._loaded.values(), *self._leaving)
        return sum(entry.model.description.memory_bytes for entry in models)

    def _is_pinned(self, entry: Entry) -> bool:
        names = {self._store.name(one) for one in self._settings.pinned_models}
        return bool(names & (entry.aliases | {entry.found.model_id}))

    async def _unload(self, entry: Entry) -> None:
        """Once its calls are done; those that come meanwhile load it anew."""
        if self._loaded.get(entry.found.model_id) is entry:
            del self._loaded[entry.found.model_id]
            self._leaving.append(entry)
            if not entry.calls:
                self._close(entry)
        while entry in self._leaving:
            await self._patiently(self._next_change())

    def _done(self, entry: Entry) -> None:
        """A call's end; of a model that is to go, the last one closes it, whoever waits for that."""
        entry.calls -= 1
        if entry.calls:
            return
        if entry in self._leaving:
            self._close(entry)
        self._tell()

    def _close(self, entry: Entry) -> None:
        self._leaving.remove(entry)
        entry.model.close()
        self._tell()

    def _next_change(self) -> asyncio.Event:
        """Set when a model's last call is done or a model is gone."""
        if self._changed is None:
            self._changed = asyncio.Event()
        return self._changed

    async def _patiently(self, event: asyncio.Event) -> None:
        async with self._patience():
            await event.wait()

    @asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        """For waiting, but not for ever; raises NotReady, after which the client may try again."""
        try:
            async with asyncio.timeout(self._settings.model_wait_s):
                yield
        except TimeoutError:
            raise NotReady from None

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None


FAMILIES = {
    "Detect": Family.DETECTION,
    "Segment": Family.SEGMENTATION,
    "DetectKeypoints": Family.KEYPOINTS,
    "Classify": Family.CLASSIFICATION,
    "SegmentSemantics": Family.SEMANTIC,
    "Embed": Family.EMBEDDING,
    "DetectNamed": Family.GROUNDED,
    "ReadText": Family.OCR,
    "Predict": Family.TABULAR,
}
"""What a question is for, in words."""


def _answer(model: Model, task: Task, images: Sequence[Image]) -> tuple[Answer, ...]:
    # Looked up late: making a manager must not import numpy.
    from lambent_inference.models import loading

    return loading.answer(model, task, images)


def _fetched(found: Found) -> None:
    with found.held():
        pass


@contextmanager
def _arriving(batcher: Batcher) -> Iterator[None]:
    batcher.arriving += 1
    try:
        yield
    finally:
        batcher.arriving -= 1
        batcher.looked()
