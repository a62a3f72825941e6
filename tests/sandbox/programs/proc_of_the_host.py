"""/proc changes nothing and hides what is the machine's."""

import os

for path in ("/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger",
             "/proc/sys/net/ipv4/ip_forward", "/proc/sys/vm/drop_caches", "/proc/irq/default_smp_affinity",
             "/proc/sys/kernel/modprobe"):  # fmt: skip
    try:
        fd = os.open(path, os.O_WRONLY)
    except OSError:
        continue
    if os.fstat(fd).st_rdev == os.makedev(1, 3):
        continue  # masked by /dev/null
    raise SystemExit(f"{path} can be written")
for path in ("kcore", "keys", "key-users", "timer_list", "kmsg", "cmdline", "config.gz"):
    if os.path.exists(f"/proc/{path}"):
        try:
            assert open(f"/proc/{path}", "rb").read(64) == b"", path
        except OSError:
            pass
assert "MemTotal" in open("/proc/meminfo").read()
assert "processor" in open("/proc/cpuinfo").read().lower()
assert open("/proc/sys/kernel/hostname").read().strip() == "169-254-76-1"
