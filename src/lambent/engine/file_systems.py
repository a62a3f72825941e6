"""FileSystemConfigs here: a local folder per access point, bind-mounted below /mnt.

The `file_systems_dir` setting names the folder; `fsap-0123…` is its subfolder. One that is missing
is made, writable for every function that names it, since each function has a user of its own. What
exists already keeps its owner and permissions.
"""

from __future__ import annotations

from pathlib import Path

from lambent.control.targets import VersionTarget
from lambent.errors import FileSystemMountFailure
from lambent.sandbox.spec import Mount

MODE = 0o777


class FileSystems:
    """`folder`: the setting; None where the owner has not given one."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def mounts(self, target: VersionTarget) -> tuple[Mount, ...]:
        """What to show a function; raises where it cannot be shown."""
        return tuple(self._mount(arn, path) for arn, path in target.file_systems)

    def _mount(self, arn: str, path: str) -> Mount:
        if self._folder is None:
            raise _failure(arn, "the setting file_systems_dir names no local folder for it")
        source = self._folder / arn.rpartition("/")[2]
        try:
            if not source.is_dir():
                source.mkdir(parents=True)
                source.chmod(MODE)  # past the umask
        except OSError as error:
            raise _failure(arn, f"{source}: {error.strerror}") from None
        return Mount(source, path.rpartition("/")[2])


def _failure(arn: str, why: str) -> FileSystemMountFailure:
    return FileSystemMountFailure(
        f"The function couldn't mount the file system with access point {arn}: {why}."
    )
