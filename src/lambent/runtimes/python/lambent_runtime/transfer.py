"""Descriptors that a template has open: connections are cut in its forks, files become their own.

A fork shares its template's open files, their positions and what is written to them, with all its
siblings. So in each fork a file is opened anew, /tmp is copied, and what cannot be opened anew (a
socket, a pipe, an epoll) is replaced by one that is closed at its other end: whoever uses it sees a
connection that was lost while the environment slept, as after a restore on Lambda.
"""

import _socket
import fcntl
import os
import select
import stat
import sys

from .state import STATE

TMP = "/tmp"
connections: list = []
"""(descriptor, what it is)."""
_files: list = []
"""(descriptor, path or None if it has no name any more, flags)."""
_tmp: list = []
"""(path, descriptor to read it or -1 for a folder, mode)."""


def survey() -> None:
    """In the template, once."""
    ours = {0, 1, 2, STATE.channel_fd, STATE.log_fd}
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        fd = int(name)
        if fd in ours:
            continue
        try:
            mode = os.fstat(fd).st_mode
            target = os.readlink("/proc/self/fd/%d" % fd)  # noqa: PTH115
            flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        except OSError:  # the folder that is being listed
            continue
        if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
            gone = not os.path.exists(target)  # noqa: PTH110
            _files.append((fd, None if gone else target, flags))
        elif not stat.S_ISCHR(mode):
            connections.append((fd, _describe(fd, mode, target)))
    _survey_tmp(TMP)


def _describe(fd, mode, target) -> str:
    if target.startswith("anon_inode:"):
        return str(target[11:].strip("[]"))
    if not stat.S_ISSOCK(mode):
        return str(target.partition(":[")[0] if ":[" in target else target)
    sock = _socket.socket(fileno=os.dup(fd))
    try:
        family = {_socket.AF_INET: "TCP", _socket.AF_INET6: "TCP"}.get(sock.family, "Unix")
        try:
            peer = sock.getpeername()
        except OSError:
            return "%s socket" % family
        return "%s connection to %s" % (family, ":".join(map(str, peer[:2])) if peer else "itself")
    finally:
        sock.close()


def _survey_tmp(folder) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            mode = entry.stat(follow_symlinks=False).st_mode
            if entry.is_symlink():
                _tmp.append((entry.path, os.readlink(entry.path), mode))  # noqa: PTH115
            elif entry.is_dir():
                _tmp.append((entry.path, -1, mode))
                _survey_tmp(entry.path)
            elif entry.is_file():
                _tmp.append((entry.path, os.open(entry.path, os.O_RDONLY | os.O_CLOEXEC), mode))


def renew() -> None:
    """In a fork."""
    for path, source, mode in _tmp:
        _copy_tmp(path, source, mode)
    for fd, path, flags in _files:
        _reopen(fd, path, flags)
    for fd, what in connections:
        _cut(fd, what)


def _copy_tmp(path, source, mode) -> None:
    if isinstance(source, str):
        os.symlink(source, path)  # noqa: PTH211
    elif source < 0:
        os.mkdir(path, stat.S_IMODE(mode))  # noqa: PTH102
    else:
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, stat.S_IMODE(mode))
        try:
            _copy(source, target)
        finally:
            os.close(target)
            os.close(source)


def _copy(source, target) -> None:
    at = 0
    while True:
        sent = os.sendfile(target, source, at, 1 << 30)
        if not sent:
            return
        at += sent


def _reopen(fd, path, flags) -> None:
    """The same file at the same position, shared with nobody."""
    keep = flags & ~(os.O_CREAT | os.O_EXCL | os.O_TRUNC)
    try:
        if path is not None:
            new = os.open(path, keep | os.O_CLOEXEC)
        elif flags & os.O_ACCMODE == os.O_RDONLY:
            return  # nobody can write to it, and positions of nameless files are rarely moved
        else:
            new = os.open(TMP, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
            _copy(fd, new)
        if not stat.S_ISDIR(os.fstat(new).st_mode):
            os.lseek(new, os.lseek(fd, 0, os.SEEK_CUR), os.SEEK_SET)
    except OSError as error:
        _say("a file that was opened in Init is closed: %s" % error)
        new = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    _replace(fd, new)


def _cut(fd, what) -> None:
    if "eventpoll" in what:
        new = select.epoll()
        _replace(fd, os.dup(new.fileno()))
        new.close()
        return
    if what == "TCP socket" or what.startswith("TCP connection"):
        dead = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)  # never connected
        _replace(fd, dead.detach())
    else:
        left, right = _socket.socketpair()
        right.close()
        _replace(fd, left.detach())
    if "connection to itself" not in what and "eventfd" not in what and what != "pipe":
        _say("%s, opened in Init, is closed in this environment" % what)


def _replace(fd, new) -> None:
    try:
        os.dup2(new, fd, inheritable=os.get_inheritable(fd))
    finally:
        os.close(new)


def _say(text) -> None:
    print("[WARN] lambent snapshot: %s" % text, file=sys.stderr)
