"""The root that a function sees: an allow-list, assembled from mounts.

`build_base` runs once in the spawner's own mount namespace: a small tmpfs with a generated `/etc`,
a minimal `/dev` and the host's `/usr` and libraries, all read-only. `open_trees` takes one
environment's folders as detached mounts, in the spawner, whose rights decide what may be opened;
`enter` runs in the environment's pid 1, attaches them and makes this the only root there is. Forks
of one template have all in common but /proc and /tmp: `prepare_places` runs once in their `nest`.
What is not named here does not exist inside: no `/dev/shm`, no `/sys`, no `/home` but an empty one.
"""

# ruff: noqa: PTH102, PTH110, PTH112, PTH114, PTH115, PTH123, PTH211  pathlib is an import that every fork would carry

from __future__ import annotations

import os
from typing import Final, NamedTuple

from lambent.sandbox import kernel
from lambent.sandbox.namespaces import GID, HOSTNAME, UID, USER

FOLDERS: Final = (
    "dev", "etc", "etc/pki", "etc/pki/tls", "etc/ssl", "home", f"home/{USER}", "mnt", "opt",
    "proc", "root", "run", "srv", "tmp", "usr", "var", "var/lang", "var/runtime", "var/task",
    "var/tmp",
)  # fmt: skip
LIBRARIES: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
FROM_ETC: Final = (
    "alternatives", "ca-certificates", "crypto-policies", "fonts", "ld.so.cache", "ld.so.conf.d",
    "localtime", "os-release", "pki/ca-trust", "pki/tls/certs", "pki/tls/cert.pem", "ssl/cert.pem",
    "ssl/certs", "system-release",
)  # fmt: skip
"""Shared with the host where it has them: how to find libraries, certificates."""
COPIED_FROM_ETC: Final = (
    "host.conf", "gai.conf", "ld.so.conf", "mime.types", "protocols", "services", "ssl/openssl.cnf",
)  # fmt: skip
"""Copied when the spawner starts, for each mount costs every environment some time."""
MOST_COPIED: Final = 256 * 1024
DEVICES: Final = ("null", "zero", "full", "random", "urandom")
DEVICE_LINKS: Final = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}
HIDDEN_IN_PROC: Final = (
    "asound", "acpi", "cmdline", "config.gz", "kcore", "key-users", "keys", "kmsg", "latency_stats",
    "sched_debug", "scsi", "sysrq-trigger", "timer_list", "timer_stats",
)  # fmt: skip
READ_ONLY_IN_PROC: Final = ("bus", "fs", "irq", "sys")
ROOT: Final = "/"
"""Target of an image's root, which takes the place of the base."""
KEPT_OVER_AN_IMAGE: Final = ("dev", "etc/hosts", "etc/hostname", "etc/resolv.conf", "mnt")
"""What an image's root shows of ours, beside `OWN`; `images.rootfs` has made the places."""
OWN: Final = ("proc", "tmp")
"""What no two environments share."""
RUNTIME: Final = "var/runtime"
"""Target of our runtime, where an image's handler is served by it."""
LOCKED: Final = kernel.ATTR_RDONLY | kernel.ATTR_NOSUID | kernel.ATTR_NODEV


class Tree(NamedTuple):
    """A detached mount and where it goes, relative to the new root."""

    fd: int
    target: str


def etc_files(resolv_conf: bytes) -> dict[str, bytes]:
    return {
        "passwd": (
            "root:x:0:0:root:/root:/sbin/nologin\n"
            f"{USER}:x:{UID}:{GID}::/home/{USER}:/sbin/nologin\n"
            "nobody:x:65534:65534:Nobody:/:/sbin/nologin\n"
        ).encode(),
        "group": f"root:x:0:\n{USER}:x:{GID}:\nnobody:x:65534:\n".encode(),
        "hosts": f"127.0.0.1 localhost {HOSTNAME} sandbox sandbox.localdomain\n::1 localhost\n".encode(),
        "hostname": f"{HOSTNAME}\n".encode(),
        "nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files dns\nservices: files\n",
        "resolv.conf": resolv_conf,
    }


def build_base(folder: str, resolv_conf: bytes) -> None:
    """Make the part that all environments share, and step into it.

    Needs a mount namespace of one's own. The working folder stays there: pid 1s find it as `.`,
    whatever the permissions on the way to it are for their users.
    """
    survey_proc()
    kernel.mount(None, "/", None, kernel.MS_SLAVE | kernel.MS_REC)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("tmpfs", folder, "tmpfs", flags, "mode=755,size=4m")
    os.chdir(folder)
    for name in FOLDERS:
        os.mkdir(name, 0o755)
    _share("/usr", "usr")
    for name in LIBRARIES:
        _share(f"/{name}", name)
    for name in FROM_ETC:
        _share(f"/etc/{name}", f"etc/{name}")
    for name in COPIED_FROM_ETC:
        _copy(f"/etc/{name}", f"etc/{name}")
    for name, content in etc_files(resolv_conf).items():
        _create(f"etc/{name}", content)
    for name, target in DEVICE_LINKS.items():
        os.symlink(target, f"dev/{name}")
    for name in DEVICES:
        _create(f"dev/{name}")
    kernel.restrict_mount(-100, ".", LOCKED)
    for name in DEVICES:
        kernel.mount(f"/dev/{name}", f"dev/{name}", None, kernel.MS_BIND)


def _share(source: str, target: str) -> None:
    """Show a file or folder of the host; a link stays a link, for what it points to is shared too."""
    if os.path.islink(source):
        os.symlink(os.readlink(source), target)
        return
    if os.path.isdir(source):
        if not os.path.isdir(target):
            os.mkdir(target, 0o755)
    elif os.path.exists(source):
        _create(target)
    else:
        return
    kernel.mount(source, target, None, kernel.MS_BIND | kernel.MS_REC)


def _copy(source: str, target: str) -> None:
    try:
        with open(source, "rb") as file:
            content = file.read(MOST_COPIED)
    except OSError:
        return
    _create(target, content)


def _create(path: str, content: bytes = b"") -> None:
    fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644)
    try:
        os.write(fd, content)
    finally:
        os.close(fd)


def open_trees(folders: list[tuple[str, str]], layers: list[str], scratch: str) -> list[Tree]:
    """Detached read-only mounts of (source, target) pairs, and of the layers merged at /opt."""
    trees: list[Tree] = []
    try:
        for source, target in folders:
            trees.append(_open_read_only(source, target))
        if len(layers) == 1:
            trees.append(_open_read_only(layers[0], "opt"))
        elif layers:
            trees.append(_merge(layers, scratch))
    except OSError:
        for tree in trees:
            os.close(tree.fd)
        raise
    return trees


def _open_read_only(source: str, target: str) -> Tree:
    fd = kernel.open_tree(source)
    try:
        kernel.restrict_mount(fd, "", LOCKED)
    except OSError:
        os.close(fd)
        raise
    return Tree(fd, target)


def open_shared(folders: list[tuple[str, str]]) -> list[Tree]:
    """Detached, writable mounts of (source, name) pairs, for /mnt/<name>."""
    trees: list[Tree] = []
    try:
        for source, name in folders:
            trees.append(Tree(kernel.open_tree(source), f"mnt/{name}"))
            kernel.restrict_mount(trees[-1].fd, "", kernel.ATTR_NOSUID | kernel.ATTR_NODEV)
    except OSError:
        for tree in trees:
            os.close(tree.fd)
        raise
    return trees


def _merge(layers: list[str], scratch: str) -> Tree:
    """The layers as one folder; the last one wins."""
    overlay(layers, scratch)
    try:
        return _open_read_only(scratch, "opt")
    finally:
        kernel.unmount(scratch)


def overlay(layers: list[str], target: str) -> None:
    """Mount folders over one another, read-only; the kernel names the uppermost first."""
    escaped = (
        layer.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")
        for layer in reversed(layers)
    )
    kernel.mount("overlay", target, "overlay", kernel.MS_RDONLY, "lowerdir=" + ":".join(escaped))


def can_overlay(scratch: str) -> bool:
    """Whether layers can be laid over one another here; unprivileged since Linux 5.11."""
    try:
        overlay(["mnt", "srv"], scratch)
    except OSError:
        return False
    kernel.unmount(scratch)
    return True


def enter(trees: list[Tree], *, tmp_mb: int) -> None:
    """Assemble the root and make it the only one. Runs in pid 1, in its own namespaces.

    `tmp_mb`: size of a tmpfs at /tmp; 0 when one of the trees is a disk for it.
    """
    root = kernel.open_tree(".")
    kernel.move_mount(root, ".")
    os.fchdir(root)
    os.close(root)
    image = _attach(trees)
    if tmp_mb:
        kernel.mount(*tmpfs(tmp_mb))
    for mount in proc_mounts("srv"):
        kernel.mount(*mount)
    if image is not None:
        _stand_on(image, (*_kept(trees), *OWN))
    kernel.pivot_root(".", ".")
    kernel.unmount(".")
    os.chdir("/")


EMPTY: Final = "/empty"
"""An empty folder that only the steps of a place see."""


def prepare_places(trees: list[Tree]) -> None:
    """The root of all forks of a template, as the working folder, in a mount namespace of one's own.

    A place is made in a copy of this namespace. Nothing else is in it but a /proc of the template's
    pid namespace: the kernel mounts another only where one is visible. A place leaves it behind.
    """
    root = kernel.open_tree(".")
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("tmpfs", "srv", "tmpfs", flags, "mode=755,size=16k")
    os.chdir("srv")
    for name in ("proc", "root", EMPTY[1:]):
        os.mkdir(name, 0o755)
    kernel.mount("proc", "proc", "proc", flags | kernel.MS_NOEXEC)
    kernel.move_mount(root, "root")
    os.close(root)
    kernel.pivot_root(".", ".")
    kernel.unmount(".")
    kernel.mount(None, "/", None, flags | kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY)
    os.chdir("/root")
    image = _attach(trees)
    if image is not None:
        _stand_on(image, _kept(trees))


def _attach(trees: list[Tree]) -> int | None:
    """Put the folders where they belong; an image's root is returned."""
    shared = [tree.target for tree in trees if tree.target.startswith("mnt/")]
    if shared:
        _make_mount_points(shared)
    image = next((tree.fd for tree in trees if tree.target == ROOT), None)
    for tree in trees:
        if tree.fd != image:
            kernel.move_mount(tree.fd, tree.target)
            os.close(tree.fd)
    return image


def _kept(trees: list[Tree]) -> tuple[str, ...]:
    """What an image's root shows of what stands, but for `OWN`."""
    shown = [tree.target for tree in trees if tree.target == RUNTIME]
    return (*KEPT_OVER_AN_IMAGE, *shown)


def _stand_on(image: int, names: tuple[str, ...]) -> None:
    """Lay an image's root over the base, and what the base has made for this environment over that."""
    kept = [(kernel.open_tree(name), name) for name in names]
    kernel.move_mount(image, ".")
    os.fchdir(image)
    os.close(image)
    for fd, name in kept:
        kernel.move_mount(fd, name)
        os.close(fd)


def _make_mount_points(targets: list[str]) -> None:
    """Folders below /mnt, of this environment alone."""
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("tmpfs", "mnt", "tmpfs", flags, "mode=755,size=16k")
    for target in targets:
        os.mkdir(target, 0o755)
    kernel.mount(None, "mnt", None, flags | kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY)


Mount = tuple[str | None, str, str | None, int, str]
"""What mount(2) takes: source, target, file system, flags, options."""


def tmpfs(size_mb: int) -> Mount:
    """A /tmp in memory, the function's."""
    options = f"size={size_mb}m,mode=700,uid={UID},gid={GID}"
    return "tmpfs", "tmp", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, options


def proc_mounts(empty: str) -> list[Mount]:
    """This pid namespace's own /proc, without what tells about or changes the machine.

    `empty`: an empty folder to show in the place of others.
    """
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    read_only = flags | kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY
    mounts: list[Mount] = [("proc", "proc", "proc", flags, "")]
    for is_folder, path in _hidden:
        mounts.append((empty if is_folder else "dev/null", path, None, kernel.MS_BIND, ""))
    for path in _read_only:
        mounts.append((path, path, None, kernel.MS_BIND, ""))
        mounts.append((None, path, None, read_only, ""))
    return mounts


_hidden: list[tuple[bool, str]] = []
"""Whether it is a folder, and where."""
_read_only: list[str] = []


def survey_proc() -> None:
    """Which of the names in /proc this kernel has; once, in the spawner, where /proc is the host's."""
    for name in HIDDEN_IN_PROC:
        if os.path.isdir(f"/proc/{name}"):
            _hidden.append((True, f"proc/{name}"))
        elif os.path.exists(f"/proc/{name}"):
            _hidden.append((False, f"proc/{name}"))
    _read_only.extend(
        f"proc/{name}" for name in READ_ONLY_IN_PROC if os.path.isdir(f"/proc/{name}")
    )
