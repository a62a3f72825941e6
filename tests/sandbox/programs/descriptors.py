"""Exactly the descriptors that were given, and no environment but the given one."""

import os

fds = {int(name) for name in os.listdir("/proc/self/fd")}
listing = fds - {0, 1, 2}
assert len(listing) == 1, fds  # the one that reads the folder
assert os.readlink("/proc/self/fd/0") == "/dev/null"
for fd in (0, 1, 2):
    assert os.readlink(f"/proc/self/fd/{fd}").startswith(("/dev/null", "pipe:")), fd
assert set(os.environ) - {"LC_CTYPE"} == set(os.environ["NAMES"].split(",")), set(os.environ)
