"""ONNX graphs through onnxruntime, which is imported here and on first use only.

A session owns threads, and a copied process (a restored snapshot) has none of its parent's: it
answers, but on one core. So a session that had more than one is made anew in the copy; where a
snapshot would be refused for its threads, it is ended before. The CUDA
provider is used where the installed onnxruntime has it and the device works; what really runs is
asked from the session, never assumed.
"""

from __future__ import annotations

import ctypes
import gc
import os
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from lambent_inference.errors import BrokenPackage, ProviderMissing
from lambent_inference.models.formats.runner import Array, Port
from lambent_inference.renewal import on_snapshot, threads_end

KINDS: Final[dict[str, type[np.generic]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}
PROVIDERS: Final = {"cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}


class OnnxRunner:
    """One session; `provider` may be asked for by the owner (`cpu`, `cuda`), else the best there is."""

    def __init__(self, path: Path, *, threads: int, provider: str | None = None) -> None:
        self._path = path
        self._threads = threads
        self._wanted = provider
        self._lock = threading.Lock()
        self._session: Any
        self._open()
        self.inputs = tuple(_port(one) for one in self._session.get_inputs())
        self.outputs = tuple(_port(one) for one in self._session.get_outputs())
        _runners.add(self)

    def _open(self) -> None:
        # Since 1.30 onnxruntime starts a thread and a database at import unless this stands before it.
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spinning threads burn the function's share of CPU that decoders need.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(
                str(self._path), options, providers=_providers(ort, self._wanted)
            )
        except ProviderMissing:
            raise
        # onnxruntime raises classes of its own, without a common base, for what it cannot load.
        except Exception as error:
            raise BrokenPackage(detail=f"{self._path.name}: {error}") from error
        actual = self._session.get_providers()[0]
        self.provider = "cuda" if actual == PROVIDERS["cuda"] else "cpu"
        self._pid = os.getpid()

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        if self._threads != 1 and (self._session is None or self._pid != os.getpid()):
            self.resume()
        return list(self._session.run(None, dict(feeds)))

    def rest(self) -> None:
        """Before a snapshot: its threads end with it."""
        if self._threads != 1:
            self._session = None

    def resume(self) -> None:
        """A session of this process's own, if it has none."""
        with self._lock:
            if self._session is not None and self._pid != os.getpid():
                _abandon(self._session)
                self._session = None
            if self._session is None:
                self._open()

    def close(self) -> None:
        """The session's memory goes with its last reference."""
        _runners.discard(self)
        if self._pid != os.getpid() and self._threads != 1 and self._session is not None:
            _abandon(self._session)
        self._session = None


_runners: weakref.WeakSet[OnnxRunner] = weakref.WeakSet()


def _rest() -> None:
    if threads_end():
        for runner in list(_runners):
            runner.rest()
        gc.collect()  # an exception may have kept one in a cycle


def _resume() -> None:
    if threads_end():
        for runner in list(_runners):
            runner.resume()


on_snapshot(_rest, _resume)


def _abandon(session: Any) -> None:
    """Never destroyed: that would wait for threads that this copy of the process does not have."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))


def _providers(ort: Any, wanted: str | None) -> list[str]:
    there = ort.get_available_providers()
    if wanted is not None:
        if PROVIDERS.get(wanted) not in there:
            raise ProviderMissing(detail=f"{wanted} of {there}")
        return [PROVIDERS[wanted]]
    return [PROVIDERS[name] for name in ("cuda", "cpu") if PROVIDERS[name] in there]


def _port(one: Any) -> Port:
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in one.shape or ())
    return Port(one.name, shape, np.dtype(KINDS.get(one.type, np.object_)))
