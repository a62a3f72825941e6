"""Several processes in one environment, forked from one that has run Init: multi-concurrency.

The first process is a template: it imports the handler once, then waits for orders on its channel.
FORK brings a channel and a log pipe as descriptors, and a worker is forked that serves them, so
that all workers share the memory of what Init loaded, copy-on-write. The template never runs the
handler itself; it tells the server how each worker ended. (AWS Lambda developer guide, "Python
runtime for Lambda Managed Instances", starts as many processes, each with an Init of its own.)
"""

import _signal  # type: ignore[import-not-found]  # `signal` would import enum
import _socket  # `socket` would import much more
import os
import sys

from . import channel, renew
from .channel import ChannelClosed, flush
from .forks import SIGTERM
from .state import STATE

FORK = 2
SIGNAL = 3
FORKED_FDS = 2
EXITED = 24
SIGCHLD = 17

_workers: dict = {}


def serve_forks(on_sigterm) -> None:
    """In the template: obey until the server hangs up. Returns in each worker, once it is one."""
    import gc

    control = _socket.socket(fileno=os.dup(STATE.channel_fd))
    control.setblocking(True)
    gc.collect()
    gc.freeze()  # the collector must not write to pages that all workers share
    before = _signal.signal(SIGCHLD, _reap)
    while True:
        kind, body, fds = _read_order(control)
        number = int.from_bytes(body[:4], "big")
        if kind == SIGNAL:
            _tell(number, int.from_bytes(body[4:8], "big"))
        elif kind == FORK:
            flush()
            pid = os.fork()
            if pid == 0:
                control.close()
                _workers.clear()
                _signal.signal(SIGCHLD, before if before is not None else _signal.SIG_DFL)
                _become_worker(fds, str(body[4:], "utf-8"), on_sigterm)
                return
            for fd in fds:
                os.close(fd)
            _workers[number] = pid
            _reap()  # it may have ended before we knew its name


def _read_order(control):
    """(kind, body, descriptors) of the next frame; raises ChannelClosed at the end."""
    prefix, ancillary, _, _ = control.recvmsg(5, _socket.CMSG_SPACE(4 * FORKED_FDS))
    fds = [
        int.from_bytes(data[at : at + 4], sys.byteorder)
        for level, kind, data in ancillary
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS
        for at in range(0, len(data) - len(data) % 4, 4)
    ]
    prefix = _rest(control, prefix, 5)
    body = _rest(control, b"", int.from_bytes(prefix[:4], "big") - 1)
    return prefix[4], body, fds


def _rest(control, got, size):
    while len(got) < size:
        more = control.recv(size - len(got))
        if not more:
            raise ChannelClosed
        got += more
    return got


def _become_worker(fds, log_stream, on_sigterm) -> None:
    """Its own channel, output and identity, before any event."""
    os.setpgid(0, 0)  # what it starts is ended with it
    channel_end, log_end = fds
    os.dup2(channel_end, 3, inheritable=False)
    for fd in (1, 2):
        os.dup2(log_end, fd)
    if STATE.log_fd >= 0:
        os.dup2(log_end, STATE.log_fd, inheritable=False)
    for fd in fds:
        if fd not in (1, 2, 3, STATE.log_fd):
            os.close(fd)
    STATE.channel_fd = 3  # the hook of `forks` has closed the template's
    STATE.pid = os.getpid()
    STATE.log_stream = log_stream
    os.environ["AWS_LAMBDA_LOG_STREAM_NAME"] = log_stream
    _signal.signal(SIGTERM, on_sigterm)
    renew.renew()
    channel.send(channel.READY, b"")


def _tell(number, signum) -> None:
    pid = _workers.get(number)
    if pid is None:
        return
    try:
        os.killpg(pid, signum)
    except OSError:
        try:  # noqa: SIM105  contextlib would have to be imported
            os.kill(pid, signum)  # it has not made its group yet
        except OSError:
            pass  # it has ended; _reap says so


def _reap(_signum=None, _frame=None) -> None:
    """Tell the server of every worker that has ended."""
    for number, pid in list(_workers.items()):
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
        except OSError:  # the function's own code waited for it
            ended, status = pid, 0
        if ended:
            _workers.pop(number, None)
            channel.send(EXITED, number.to_bytes(4, "big") + status.to_bytes(4, "big"))
