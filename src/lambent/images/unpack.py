"""From an image's layers to one folder: careful with layers that somebody else has made.

Every name is resolved inside the folder, whatever links lie on the way; `..` and what would lie
elsewhere is refused. Set-user-id bits are dropped and devices left out, for the sandbox could not
use them and the host must not. Files belong to the server's user: inside they are nobody's, as on
Lambda, where an image's files must be readable by all.
"""

# ruff: noqa: PTH101, PTH102, PTH108, PTH112, PTH114, PTH115, PTH120, PTH208, PTH211  text paths: a Path per file and step costs more than the file

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import tarfile
from pathlib import Path
from typing import Final

from lambent.images.files import regular
from lambent.images.manifest import SIZE_LIMIT, Image, Layer
from lambent.images.problem import ImageError

MOST_ENTRIES: Final = 2_000_000
MOST_LINKS: Final = 40
MOST_FOLDERS: Final = 256
"""Within one another: what removes them works its way down."""
MOST_HEADER: Final = 1 << 20
_NAMES: Final = frozenset({
    errno.ENAMETOOLONG, errno.ENOENT, errno.EINVAL, errno.EILSEQ, errno.ENOTDIR, errno.EISDIR,
    errno.EMLINK, errno.ELOOP,
})  # fmt: skip
"""What the kernel says of names and links; anything else is the disk's."""
WHITEOUT: Final = ".wh."
OPAQUE: Final = ".wh..wh..opq"
_CHUNK: Final = 1 << 20
_LONG: Final = frozenset(
    {
        tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    }
)  # fmt: skip


class Header(tarfile.TarInfo):
    """A header that may not make the reader keep more than a little in memory."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _LONG and self.size > MOST_HEADER:
            raise ImageError("a layer has a header of more than 1 MB")
        if self.size < 0:  # it would be counted as room for others
            raise ImageError(f"{self.name} in a layer has a size below nothing")
        made: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]  # not in typeshed
        return made


def unpack(image: Image, root: Path, limit: int = SIZE_LIMIT) -> int:
    """Apply all layers to the empty folder `root`; returns the bytes they hold."""
    tree = _Tree(root, limit)
    for layer in image.layers:
        verify(layer)
        tree.apply(layer)
    tree.finish()
    return tree.size


def verify(layer: Layer) -> None:
    """Raise where a layer's file is not what its digest says."""
    if not layer.digest:
        return
    with regular(layer.path) as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != layer.digest:
        raise ImageError(f"layer {layer.digest} does not have the content that its digest says")


class _Tree:
    """The folder while layers are laid onto it. Nobody else writes to it meanwhile."""

    def __init__(self, root: Path, limit: int) -> None:
        self._root = os.fspath(root)
        self._limit = limit
        self._entries = 0
        self._fresh: set[str] = set()
        """What the present layer has made: its whiteouts mean the layers below."""
        self._modes: dict[str, int] = {}
        self.size = 0

    def apply(self, layer: Layer) -> None:
        self._fresh.clear()
        try:
            with (
                layer.open() as file,
                tarfile.open(fileobj=file, mode="r|*", tarinfo=Header) as archive,
            ):
                for entry in archive:
                    self._count(entry)
                    self._lay(archive, entry)
                    # Else it keeps every header of the layer.
                    archive.members.clear()  # type: ignore[attr-defined]  # not in typeshed
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise ImageError(f"a layer cannot be read: {error}") from None
        except OverflowError as error:  # a time that no clock will show
            raise ImageError(f"a layer cannot be read: {error}") from None
        except OSError as error:
            if error.errno is None:  # gzip's own complaints
                raise ImageError(f"a layer cannot be read: {error}") from None
            if error.errno in _NAMES:
                raise ImageError(f"a layer has a name that cannot be: {error.strerror}") from None
            raise

    def finish(self) -> None:
        """Folders get their modes last, for some forbid what is still to be written into them."""
        for path, mode in self._modes.items():
            if os.path.isdir(path) and not os.path.islink(path):
                os.chmod(path, (mode & 0o1777) | 0o700)

    def _count(self, entry: tarfile.TarInfo) -> None:
        self._entries += 1
        self.size += entry.size
        if self.size > self._limit:
            raise ImageError(f"the image is larger than {self._limit} bytes uncompressed")
        if self._entries > MOST_ENTRIES:
            raise ImageError(f"the image has more than {MOST_ENTRIES} files")

    def _lay(self, archive: tarfile.TarFile, entry: tarfile.TarInfo) -> None:
        parts = parts_of(entry.name)
        if not parts:
            if entry.isdir():
                self._modes[self._root] = entry.mode
            return
        folder = self._folder(parts[:-1])
        if parts[-1].startswith(WHITEOUT):
            self._whiteout(folder, parts[-1])
            return
        path = f"{folder}/{parts[-1]}"
        if entry.isdir():
            self._make_folder(path, entry.mode)
        elif entry.isreg():
            self._clear(path)
            self._write(archive, entry, path)
        elif entry.issym():
            self._clear(path)
            os.symlink(entry.linkname, path)
        elif entry.islnk():
            self._link(entry, path)
        else:
            return  # devices, pipes: of no use where a function runs
        self._fresh.add(path)

    def _folder(self, parts: list[str]) -> str:
        """Where a folder really is, made if need be; links are followed inside the root only."""
        at = self._root
        left, links = list(parts), 0
        while left:
            part = left.pop(0)
            if part == "..":
                at = os.path.dirname(at) if at != self._root else at
                continue
            path = f"{at}/{part}"
            try:
                mode = os.lstat(path).st_mode
            except FileNotFoundError:
                self._make_folder(path, 0o755)
                self._fresh.add(path)
                mode = stat.S_IFDIR
            if stat.S_ISLNK(mode):
                links += 1
                if links > MOST_LINKS:
                    raise ImageError(f"/{'/'.join(parts)} leads in a circle")
                target = os.readlink(path)
                at = self._root if target.startswith("/") else at
                left = [p for p in target.split("/") if p not in {"", "."}] + left
            elif stat.S_ISDIR(mode):
                at = path
            else:
                raise ImageError(f"/{'/'.join(parts)} is to be a folder, and {part} is a file")
        return at

    def _make_folder(self, path: str, mode: int) -> None:
        if os.path.islink(path) or not os.path.isdir(path):
            self._clear(path)
            if path.count("/") - self._root.count("/") > MOST_FOLDERS:
                raise ImageError(f"a layer has more than {MOST_FOLDERS} folders in one another")
            os.mkdir(path, 0o755)
        self._modes[path] = mode

    def _write(self, archive: tarfile.TarFile, entry: tarfile.TarInfo, path: str) -> None:
        source = archive.extractfile(entry)
        assert source is not None
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(fd, "wb") as file:
            shutil.copyfileobj(source, file, _CHUNK)
            os.fchmod(fd, entry.mode & 0o777)
            os.utime(fd, (int(entry.mtime), int(entry.mtime)))

    def _link(self, entry: tarfile.TarInfo, path: str) -> None:
        parts = parts_of(entry.linkname)
        if not parts:
            raise ImageError(f"{entry.name} is a link to nothing")
        source = f"{self._folder(parts[:-1])}/{parts[-1]}"
        if not os.path.lexists(source) or (os.path.isdir(source) and not os.path.islink(source)):
            raise ImageError(f"{entry.name} is a link to {entry.linkname}, which is no file")
        if source == path:
            return
        self._clear(path)
        os.link(source, path, follow_symlinks=False)

    def _whiteout(self, folder: str, name: str) -> None:
        if name == OPAQUE:
            for child in os.listdir(folder):
                self._hide(f"{folder}/{child}")
            return
        hidden = name.removeprefix(WHITEOUT)
        if hidden.startswith(WHITEOUT):
            return  # aufs' own notes
        if hidden in {"", ".", ".."}:
            raise ImageError(f"a layer has a whiteout of {hidden!r}")
        self._hide(f"{folder}/{hidden}")

    def _hide(self, path: str) -> None:
        """Remove what the layers below have there; what this layer has made stays."""
        fresh_below = any(made.startswith(f"{path}/") for made in self._fresh)
        if path not in self._fresh and not fresh_below:
            self._clear(path)
            return
        if os.path.isdir(path) and not os.path.islink(path):
            for child in os.listdir(path):
                self._hide(f"{path}/{child}")

    def _clear(self, path: str) -> None:
        if os.path.isdir(path) and not os.path.islink(path):
            if path == self._root:
                raise ImageError("a layer replaces the root")
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)


def parts_of(name: str) -> list[str]:
    """A name's parts; raises for one that leads out of the image."""
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts or "\0" in name:
        raise ImageError(f"a layer has the name {name[:200]!r}, which leads out of it")
    if len(parts) > MOST_FOLDERS:
        raise ImageError(f"a layer has more than {MOST_FOLDERS} folders in one another")
    return parts
