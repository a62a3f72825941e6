"""Pid 1 can be neither read, nor stopped, nor limited; it tells nothing of the host."""

import os
import resource
import signal
import time

for name in ("mem", "environ", "maps", "fd", "cwd", "root", "exe", "auxv", "ns/net", "task/1/mem"):
    path = f"/proc/1/{name}"
    try:
        if name == "fd":
            os.listdir(path)
        elif name in {"cwd", "root", "exe"}:
            os.readlink(path)
        else:
            open(path, "rb").read(1)
    except OSError:
        continue
    raise SystemExit(f"{path} can be read")
assert open("/proc/1/cmdline", "rb").read().strip(b"\0") == b"lambent-sandbox"
for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGSEGV,
               signal.SIGCHLD, signal.SIGUSR1, signal.SIGABRT):  # fmt: skip
    try:
        os.kill(1, number)
    except PermissionError:
        pass
try:
    resource.prlimit(1, resource.RLIMIT_CPU, (1, 1))
except PermissionError:
    pass
else:
    raise SystemExit("pid 1 was limited")
try:
    os.sched_setaffinity(1, {0})
except PermissionError:
    pass
else:
    raise SystemExit("pid 1 was moved")
for name in ("oom_score_adj", "timerslack_ns", "comm"):
    try:
        with open(f"/proc/1/{name}", "wb", buffering=0) as file:
            file.write(b"1000")
    except OSError:
        continue
    raise SystemExit(f"/proc/1/{name} was written")
child = os.fork()
if child == 0:
    time.sleep(60)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.kill(-1, signal.SIGTERM)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
assert open("/proc/1/stat").read().split()[2] in "SR"
