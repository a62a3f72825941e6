"""Control groups for real: every limit is met by a process that tries to pass it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lambent.errors import SandboxError
from lambent.sandbox import cgroup_hierarchies as machine
from lambent.sandbox.cgroup import MB_PER_CORE
from lambent.sandbox.cgroup_files import number_after
from lambent.sandbox.cgroup_v1 import CPU_PERIOD_US
from lambent.sandbox.cgroups import Cgroups, candidates
from lambent.sandbox.instance import Instance

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="control groups are made as root"),
]
MB = 1024 * 1024


def only_v1():
    return [h for h in machine.hierarchies() if h.version == 1]


@pytest.fixture(params=["all", "v1"])
def groups(request, tmp_path):
    """Groups with what the machine has, and again as if it had only v1."""
    use = None if request.param == "all" else only_v1()
    if use == []:
        pytest.skip("no cgroup v1 hierarchy on this machine")
    instance = Instance(tmp_path)
    made = Cgroups(instance, use)
    made.open()
    if "memory" not in made._parents:
        pytest.skip("no memory controller can be written to")
    yield made
    made.close()
    left = candidates(machine.hierarchies(), machine.own_groups(), instance.name)
    assert not [path for path in left if path.exists()]


@pytest.fixture
def spawn():
    """Start Python code that first waits for a line on stdin, so that it can be moved before."""
    children = []

    def start(code):
        child = subprocess.Popen(
            [sys.executable, "-c", f"import sys\nsys.stdin.readline()\n{code}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.wait(10)
        child.stdin.close()
        child.stdout.close()


def go(child):
    child.stdin.write("\n")
    child.stdin.flush()


def test_the_kernel_kills_what_passes_the_memory_limit(groups, spawn):
    group = groups.create("eater", 64, 50)
    child = spawn("kept = []\nfor _ in range(400): kept.append(bytearray(b'x') * (1 << 20))")
    group.add(child.pid)
    assert group.oom_kills() == 0
    go(child)
    assert child.wait(30) == -signal.SIGKILL
    assert group.oom_kills() == 1
    assert group.memory_mb() == 64


def test_memory_counts_anonymous_pages_and_shared_memory_but_no_page_cache(groups, spawn, tmp_path):
    file = tmp_path / "cached"
    file.write_bytes(b"x" * (60 * MB))
    # POSIX_FADV_DONTNEED after a sync, so that the child is who brings the pages into the cache.
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    group = groups.create("counted", 256, 50)
    child = spawn(
        f"""
import mmap, os
f = open({str(file)!r}, "rb", buffering=0)
while f.read(1 << 20): pass
print("read", flush=True); sys.stdin.readline()
kept = bytearray(b"x") * (50 << 20)
print("anonymous", flush=True); sys.stdin.readline()
fd = os.memfd_create("m"); block = b"y" * (1 << 20)
for _ in range(40): os.write(fd, block)
print("shared", flush=True); sys.stdin.readline()
kept = None; os.close(fd)
print("freed", flush=True); sys.stdin.readline()
"""
    )
    group.add(child.pid)
    seen = {}
    for _ in range(4):
        go(child)
        word = child.stdout.readline().strip()
        seen[word] = group.memory_mb()
    assert seen["read"] < 40
    assert 50 <= seen["anonymous"] < 80
    assert 90 <= seen["shared"] < 120
    assert seen["freed"] == seen["shared"], "the most that was used is kept"


def test_a_tmpfs_widens_the_limit_and_is_not_counted(groups, spawn):
    group = groups.create("tmpfs", 64, 50, tmpfs_mb=128)
    child = spawn(
        """
import os
fd = os.memfd_create("m"); block = b"y" * (1 << 20)
for _ in range(100): os.write(fd, block)
print("full", flush=True); sys.stdin.readline()
"""
    )
    group.add(child.pid)
    go(child)
    assert child.stdout.readline() == "full\n"
    assert group.memory_mb() < 64


def test_the_limit_can_be_raised_and_lowered(groups, spawn):
    group = groups.create("resized", 64, 50)
    for memory_mb in (128, 32, 96):
        group.limit_memory(memory_mb)
    child = spawn(
        "kept = bytearray(b'x') * (70 << 20); print('fits', flush=True); sys.stdin.readline()"
    )
    group.add(child.pid)
    go(child)
    assert child.stdout.readline() == "fits\n"


def test_a_fork_bomb_stops_at_the_process_limit_and_dies_at_once(groups, spawn):
    group = groups.create("bomb", 128, 20)
    child = spawn(
        """
import os, time
while True:
    try:
        if os.fork() == 0: continue
    except OSError:
        os.write(1, b"."); time.sleep(60)
"""
    )
    group.add(child.pid)
    go(child)
    assert child.stdout.read(1) == "."
    assert 1 < len(group.members()) <= 20
    group.kill()
    assert child.wait(10) == -signal.SIGKILL
    groups.discard(group)


def _cpu_folder(group):
    names = ("cpu.max", "cpu.cfs_quota_us")
    return next(p for p in group._groups if any((p / name).exists() for name in names))


@pytest.mark.slow
def test_the_cpu_is_throttled_only_while_limited(groups, spawn):
    group = groups.create("cpu", 128, 20)
    folder = _cpu_folder(group)
    child = spawn("print('busy', flush=True)\nwhile True: pass")
    group.add(child.pid)

    def throttled():
        return number_after((folder / "cpu.stat").read_bytes(), b"nr_throttled")

    def busy_until(cpu_s):
        ticks = os.sysconf("SC_CLK_TCK")
        deadline = time.monotonic() + 30
        start = None
        while time.monotonic() < deadline:
            fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
            used = (int(fields[11]) + int(fields[12])) / ticks
            start = used if start is None else start
            if used - start >= cpu_s:
                return
            time.sleep(0.02)
        pytest.fail("the child got no CPU")

    go(child)
    child.stdout.readline()
    busy_until(0.1)
    assert throttled() == 0
    group.limit_cpu(True)
    busy_until(0.05)
    limited = throttled()
    assert limited > 0
    group.limit_cpu(False)
    busy_until(0.05)
    before = throttled()
    busy_until(0.1)
    assert throttled() == before


@pytest.mark.slow
def test_a_group_in_the_background_gives_way(groups, spawn):
    """Both want the same processor; one of them hardly gets it."""
    core = min(os.sched_getaffinity(0))
    back, front = groups.create("back", 128, 20), groups.create("front", 128, 20)
    back.give_way()
    children = {}
    for group in (back, front):
        child = spawn(
            f"import os\nos.sched_setaffinity(0, [{core}])\nprint(flush=True)\nwhile True: pass"
        )
        group.add(child.pid)
        go(child)
        child.stdout.readline()
        children[group.id] = child.pid

    def used(name):
        fields = Path(f"/proc/{children[name]}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = used("back"), used("front")
    deadline = time.monotonic() + 60
    while used("front") - before[1] < 50 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (used("back") - before[0]) * 4 < used("front") - before[1]


def test_the_cpu_share_is_by_memory_in_small_periods(groups):
    for memory_mb in (128, MB_PER_CORE, 10_240):
        group = groups.create(f"share-{memory_mb}", memory_mb, 20)
        group.limit_cpu(True)
        folder = _cpu_folder(group)
        if (folder / "cpu.max").exists():
            quota, period = map(int, (folder / "cpu.max").read_text().split())
        else:
            quota = int((folder / "cpu.cfs_quota_us").read_text())
            period = int((folder / "cpu.cfs_period_us").read_text())
        assert period == CPU_PERIOD_US
        assert quota == round(memory_mb / MB_PER_CORE * period)


def test_frozen_processes_do_nothing_until_thawed(groups, spawn):
    group = groups.create("frozen", 128, 20)
    child = spawn("for line in sys.stdin: print(line.strip(), flush=True)")
    group.add(child.pid)
    go(child)
    child.stdin.write("one\n")
    child.stdin.flush()
    assert child.stdout.readline() == "one\n"
    group.freeze()
    assert group.frozen
    child.stdin.write("two\n")
    child.stdin.flush()
    os.set_blocking(child.stdout.fileno(), False)
    time.sleep(0.2)
    with pytest.raises(BlockingIOError):
        os.read(child.stdout.fileno(), 100)
    os.set_blocking(child.stdout.fileno(), True)
    group.thaw()
    group.thaw()
    assert not group.frozen
    assert child.stdout.readline() == "two\n"


def test_a_frozen_group_can_be_killed_and_closed(groups, spawn):
    group = groups.create("frozen", 128, 20)
    child = spawn("while True: sys.stdin.readline()")
    group.add(child.pid)
    group.freeze()
    group.kill()
    assert child.wait(10) == -signal.SIGKILL
    groups.discard(group)
    group.close()
    assert not [path for path in group._groups if path.exists()]


def test_close_kills_what_is_left(groups, spawn):
    group = groups.create("left", 128, 20)
    child = spawn("while True: sys.stdin.readline()")
    group.add(child.pid)
    groups.discard(group)
    assert child.wait(10) == -signal.SIGKILL


def test_a_group_that_exists_is_refused_and_nothing_half_made_stays(groups):
    first = groups.create("same", 128, 20)
    with pytest.raises(SandboxError, match="same"):
        groups.create("same", 128, 20)
    assert all(path.exists() for path in first._groups)


def test_adding_a_dead_process_says_so(groups, spawn):
    group = groups.create("dead", 128, 20)
    child = spawn("pass")
    go(child)
    child.wait(10)
    with pytest.raises(ProcessLookupError):
        group.add(child.pid)


def test_a_cloned_process_is_not_moved_again_in_v2(groups, spawn):
    group = groups.create("cloned", 128, 20)
    if group.clone_fd is None:
        pytest.skip("no v2 hierarchy")
    child = spawn("while True: sys.stdin.readline()")
    group.add(child.pid, cloned=True)
    assert group._unified is not None
    assert not (group._unified / "cgroup.procs").read_text()
    child.kill()


def test_descriptors_are_given_back(groups):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(5):
        group = groups.create(f"fd{number}", 128, 20)
        group.clone_fd  # noqa: B018  opens it
        groups.discard(group)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_second_opening_uses_the_same_parents(groups, tmp_path):
    again = Cgroups(Instance(tmp_path), groups._use)
    again.open()
    assert again._parents == groups._parents
    again.create("one", 128, 20)
    groups.create("two", 128, 20)


def test_features_name_the_hierarchy(groups):
    by_name = {feature.name: feature for feature in groups.features()}
    assert by_name["memory limit"].enforced
    assert by_name["memory limit"].how.startswith("cgroup v")
    moves = by_name["fast cgroup moves"]
    assert moves.enforced or "doctor" in moves.fix


class Test_without_cgroups:
    """The stand-ins that unprivileged servers get."""

    @pytest.fixture
    def groups(self, tmp_path):
        made = Cgroups(Instance(tmp_path), use=[])
        made.open()
        yield made
        made.close()

    def test_memory_is_limited_per_process(self, groups, spawn):
        group = groups.create("data", 100, 50)
        child = spawn(
            """
try:
    bytearray(200 << 20)
except MemoryError:
    print("refused", flush=True); sys.stdin.readline()
"""
        )
        group.add(child.pid)
        go(child)
        assert child.stdout.readline() == "refused\n"

    def test_memory_is_the_peak_without_files(self, groups, spawn):
        group = groups.create("peak", 400, 50)
        child = spawn(
            """
kept = bytearray(b"x") * (60 << 20)
kept = None
print("freed", flush=True); sys.stdin.readline()
"""
        )
        group.add(child.pid)
        go(child)
        child.stdout.readline()
        assert 60 <= group.memory_mb() < 90

    def test_the_whole_tree_is_stopped_continued_and_killed(self, groups, spawn):
        group = groups.create("tree", 400, 50)
        child = spawn(
            """
import subprocess
inner = subprocess.Popen(["sleep", "60"])
print("started", flush=True)
inner.wait()
"""
        )
        group.add(child.pid)
        go(child)
        assert child.stdout.readline() == "started\n"
        members = group.members()
        assert len(members) == 2
        group.freeze()
        assert all(_becomes(pid, "T") for pid in members)
        group.thaw()
        assert all(_becomes(pid, "S") for pid in members)
        group.freeze()
        group.kill()
        assert child.wait(10) == -signal.SIGKILL
        groups.discard(group)

    def test_features_say_what_is_missing(self, groups):
        features = groups.features()
        weaker = [f for f in features if not f.enforced]
        assert {f.name for f in weaker} == {"memory limit", "cpu share", "process limit", "freeze"}
        assert all(f.missing and f.fix for f in weaker)


def _becomes(pid, state):
    """Signals take effect a moment after they are sent."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == state:
            return True
        time.sleep(0.01)
    return False
