"""/proc shows this environment's processes; pids of the host mean nothing."""

import os

pids = {int(name) for name in os.listdir("/proc") if name.isdigit()}
assert pids == {1, os.getpid()}, pids
for pid in (int(os.environ["HOST_PID"]), int(os.environ["OTHER_PID"])):
    if pid in pids:
        continue  # the number happens to be one of ours
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        continue
    raise SystemExit(f"pid {pid} of the host can be signalled")
