"""What happens when a function imports something that must be as on Lambda.

`logging` gets the root handler, `multiprocessing`'s C halves the error that Lambda gives for a
missing /dev/shm. Neither is imported for a function that does not use it: a finder on
`sys.meta_path` waits for them, and leaves once nothing is awaited.
"""

import sys

ENOSYS = 38


def _set_up_logging(module) -> None:
    if hasattr(module, "Formatter"):  # else the function brought a `logging` of its own
        from .records import install

        install()


def _refuse_semaphores(module) -> None:
    """Without /dev/shm the kernel says ENOENT; Lambda says ENOSYS."""
    module.SemLock = _SemLock(module.SemLock)


class _SemLock:
    """Stands where the type stood: a subclass of it is freed wrongly on 3.9 (crashed)."""

    def __init__(self, real) -> None:
        self._real = real

    def __call__(self, *args, **kwargs):
        try:
            return self._real(*args, **kwargs)
        except FileNotFoundError:
            raise OSError(ENOSYS, "Function not implemented") from None

    def __getattr__(self, name):
        return getattr(self._real, name)


def _refuse_shared_memory(module) -> None:
    shm_open = module.shm_open
    creating = 0o100  # O_CREAT

    def refusing(path, flags, mode=0o777):
        try:
            return shm_open(path, flags, mode=mode)
        except FileNotFoundError:
            if flags & creating:  # otherwise there is just no such segment
                raise OSError(ENOSYS, "Function not implemented") from None
            raise

    module.shm_open = refusing


class _PatchingLoader:
    """Loads as the real loader does, then patches, then gets out of the way."""

    def __init__(self, loader, patch) -> None:
        self._loader, self._patch = loader, patch

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module) -> None:
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._patch(module)

    def __getattr__(self, name):
        return getattr(self._loader, name)


class Hooks:
    """The finder that waits."""

    def __init__(self) -> None:
        self.waiting = {
            "logging": _set_up_logging,
            "_multiprocessing": _refuse_semaphores,
            "_posixshmem": _refuse_shared_memory,
        }

    def install(self) -> None:
        sys.meta_path.insert(0, self)
        for name in list(self.waiting):
            if name in sys.modules:  # a wrapper script's interpreter options brought it
                self._patch(sys.modules[name])

    def _patch(self, module) -> None:
        patch = self.waiting.pop(module.__name__, None)
        if patch is not None:
            patch(module)
        if not self.waiting and self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(self, name, path=None, target=None):
        """The real finder's spec, with a loader that patches; None for all that is not awaited."""
        if name not in self.waiting:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _PatchingLoader(spec.loader, self._patch)  # type: ignore[assignment]  # a duck
                return spec
        return None
