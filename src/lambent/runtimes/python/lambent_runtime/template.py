"""A process that has run Init once, and is forked into one environment after the other.

    run()        before-snapshot hooks, a look at what cannot be forked, READY with what was found
    serve()      BEAR in, FORKED out, until the server hangs up
    be_born()    in the fork: wait for RESTORE, renew what must be its own, after-restore hooks, READY
    _become()    in a fork that is told EXEC instead: be an extension of the environment

The server moves a fork under its limits and checks that it is powerless between FORKED and RESTORE;
until then nothing of the function has run in it. Then main.serve() goes on as in any environment.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` without its enums
import _socket
import array
import ctypes
import gc
import os
import sys

from . import channel, codec, renewal, settling, snapshot_hooks
from .forking import Forker, supported
from .state import STATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

RESTORE = 4
BEAR = 6
EXEC = 7
FORKED = 25
FORK_FAILED = 26
MAX_FDS = 16
MESSAGE_BYTES = 65536


class Born(Exception):  # noqa: N818  not an error: how the fork leaves the template's loop
    """This process is a fork now."""


def run() -> bool:
    """Be a template; returns only in a fork: whether it may serve."""
    if not snapshot_hooks.before():
        return False
    seal = _receive_seal()
    report = renewal.survey()
    if not supported():
        report["unsupported"] = "forking into a place is written for x86_64"
    channel.flush()
    forker = Forker(seal[0], seal[1], STATE.folder) if supported() else None
    gc.collect()
    gc.freeze()
    settling.settle()
    channel.send(channel.READY, codec.dumps(report))
    try:
        serve(forker)
    except Born:
        return be_born()


def _receive_seal():
    """(highest capability, final filter): the first message, there before Init."""
    _, body, _ = _receive()
    return body[0], body[1:]


def _receive():
    """(kind, body, descriptors) of one message; raises ChannelClosed at the end."""
    sock = _socket.socket(fileno=os.dup(STATE.channel_fd))
    try:
        data, extras, _, _ = sock.recvmsg(
            MESSAGE_BYTES, _socket.CMSG_SPACE(MAX_FDS * 4), 0x4000_0000
        )
    except OSError:
        raise channel.ChannelClosed from None
    finally:
        sock.close()
    if not data:
        raise channel.ChannelClosed
    fds = array.array("i")
    for _level, _kind, content in extras:
        fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return data[4], data[5:], list(fds)


def serve(forker) -> NoReturn:
    """Fork whenever it is asked for; a fork leaves by `Born`."""
    before = ctypes.pythonapi.PyOS_BeforeFork
    in_parent = ctypes.pythonapi.PyOS_AfterFork_Parent
    in_child = ctypes.pythonapi.PyOS_AfterFork_Child
    while True:
        kind, body, fds = _receive()
        if kind != BEAR:
            raise channel.ChannelClosed
        kinds = [int.from_bytes(body[at : at + 4], "big") for at in range(0, len(body), 4)]
        spaces = list(zip(fds, kinds))
        sock, log = fds[len(kinds) :]
        moves = [(sock, 3), (log, 1), (log, 2), (log, STATE.log_fd)]
        error = None
        before()
        try:
            pid = forker.fork(spaces, moves, fds)
        except OSError as caught:
            pid, error = -1, caught
        if pid == 0:
            _await_restore()
            STATE.channel_fd = -1  # children of a function close it; this one has its own there
            in_child()
            raise Born
        in_parent()
        for fd in fds:
            os.close(fd)
        if error is not None:
            channel.send(FORK_FAILED, str(error).encode())
        else:
            _send_forked(pid)


def _send_forked(pid) -> None:
    try:
        pidfd = os.pidfd_open(pid)
    except OSError as error:  # it has ended already
        channel.send(FORK_FAILED, str(error).encode())
        return
    prefix = (5).to_bytes(4, "big") + bytes((FORKED,)) + pid.to_bytes(4, "big")
    sock = _socket.socket(fileno=os.dup(STATE.channel_fd))
    try:
        sock.sendmsg(
            [prefix], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", [pidfd]))]
        )
    finally:
        sock.close()
        os.close(pidfd)


_restored: dict = {}


def _await_restore() -> None:
    """Before any code of the function, its handlers for forks included, runs here."""
    data = b""
    while len(data) < 5 or len(data) < 4 + int.from_bytes(data[:4], "big"):
        more = os.read(3, MESSAGE_BYTES)
        if not more:
            os._exit(0)
        data += more
    if data[4] == EXEC:
        _become(codec.loads(data[5:]))
    if data[4] != RESTORE:
        os._exit(1)
    _restored.update(codec.loads(data[5:]))


def _become(wanted) -> NoReturn:
    """Nothing of the template goes along: memory goes with exec, descriptors are closed."""
    try:
        os.setsid()
        os.chdir(wanted["cwd"])
        for ignored_by_python in (_signal.SIGPIPE, _signal.SIGXFSZ):
            _signal.signal(ignored_by_python, _signal.SIG_DFL)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.execve(wanted["argv"][0], wanted["argv"], wanted["env"])
    except FileNotFoundError:
        os._exit(127)
    finally:
        os._exit(126)


def be_born() -> bool:
    """Make this process an environment of its own; True once it may serve."""
    os.setsid()
    _settle_variables()
    if not snapshot_hooks.after(renewal.renew):
        return False
    channel.flush()
    channel.send(channel.READY, b"")
    return True


def _settle_variables() -> None:
    STATE.channel_fd = 3
    STATE.pid = os.getpid()
    STATE.request_id = STATE.trace = ""
    os.environ.update(_restored)
    STATE.log_stream = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
    sys.stdout.flush()
