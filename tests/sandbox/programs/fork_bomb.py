"""Processes are limited; the program bounds itself should they not be."""

import os
import signal

children = []
try:
    while len(children) < 200:
        pid = os.fork()
        if pid == 0:
            signal.pause()
        children.append(pid)
except BlockingIOError:
    pass
for pid in children:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
assert len(children) < int(os.environ["PIDS_MAX"]), len(children)
assert len(children) > 3, len(children)
