"""/tmp disks for real: their size, whose they are, what they cost in memory, and that they go away."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lambent.sandbox.cgroups import Cgroups
from lambent.sandbox.instance import Instance
from lambent.sandbox.loop_device import LoopDevices, backed_under
from lambent.sandbox.tmpdisk import TmpDisks

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="loop devices need root"),
]
MB = 1024 * 1024


def gone(folder):
    """The kernel frees a device a moment after its last user."""
    deadline = time.monotonic() + 20
    while backed_under(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def instance(tmp_path):
    made = Instance(tmp_path)
    yield made
    assert gone(made.disks_dir)
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


@pytest.fixture
def disks(instance):
    made = TmpDisks(instance, ahead=1)
    made.open()
    if not made.available:
        pytest.skip(made.feature().missing)
    yield made
    made.close()


def fill(folder):
    """Write until it refuses; how many bytes went in."""
    written = 0
    with (folder / "full").open("wb", buffering=0) as file:
        block = b"x" * MB
        while True:
            try:
                written += file.write(block)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                return written


def test_a_disk_is_empty_and_belongs_to_the_function(disks):
    disk = disks.take(512, 1234, 5678)
    assert list(disk.path.iterdir()) == []
    status = disk.path.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (1234, 5678, 0o1777)
    disk.release()


@pytest.mark.parametrize("size_mb", [64, 512, 1024])
def test_its_size_is_what_was_asked_for(disks, size_mb):
    disk = disks.take(size_mb, 0, 0)
    space = os.statvfs(disk.path)
    assert size_mb <= space.f_bavail * space.f_frsize / MB < size_mb * 1.02
    assert size_mb <= space.f_blocks * space.f_frsize / MB < size_mb * 1.05 + 4
    disk.release()


def test_it_is_full_at_its_size_and_not_before(disks):
    disk = disks.take(64, 0, 0)
    written = fill(disk.path)
    assert 62 * MB <= written <= 67 * MB
    (disk.path / "full").unlink()
    assert fill(disk.path) >= 62 * MB
    disk.release()


def test_mounted_without_devices_and_setuid(disks):
    disk = disks.take(64, 0, 0)
    flags = os.statvfs(disk.path).f_flag
    assert flags & os.ST_NOSUID
    assert flags & os.ST_NODEV
    assert flags & os.ST_NOATIME
    disk.release()


def test_one_environment_never_sees_what_another_wrote(disks):
    first = disks.take(64, 0, 0)
    (first.path / "secret").write_text("s" * 100_000)
    first.release()
    for _ in range(4):
        disk = disks.take(64, 0, 0)
        assert list(disk.path.iterdir()) == []
        disk.release()


def test_release_twice_is_release(disks):
    disk = disks.take(64, 0, 0)
    disk.release()
    disk.release()


def test_a_file_larger_than_the_memory_limit_does_not_kill_its_writer(disks, instance):
    groups = Cgroups(instance)
    groups.open()
    if "memory" not in groups._parents:
        pytest.skip("no memory controller can be written to")
    disk = disks.take(512, 0, 0)
    group = groups.create("writer", 64, 20)
    code = f"""
import sys
sys.stdin.readline()
block = b"x" * (1 << 20)
with open("/proc/self/fd/{disk.mount_fd}/big", "wb", buffering=0) as file:
    for _ in range(300):
        file.write(block)
print("written", flush=True)
sys.stdin.readline()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=(disk.mount_fd,),
        text=True,
    )
    try:
        group.add(child.pid)
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline() == "written\n"
        assert group.oom_kills() == 0
        assert group.memory_mb() < 40, "what is in /tmp is not the function's memory"
    finally:
        child.kill()
        child.wait(20)
        child.stdin.close()
        child.stdout.close()
        disk.release()
        groups.close()


def test_a_new_user_and_mount_namespace_can_attach_it(disks, tmp_path):
    """As the launcher does: no path on the host ever leads to it."""
    disk = disks.take(64, os.getuid(), os.getgid())
    target = tmp_path / "root"
    target.mkdir()
    code = f"""
import os
from lambent.sandbox import kernel
kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
kernel.move_mount({disk.mount_fd}, {str(target)!r})
os.close({disk.mount_fd})
try:
    open({str(target / "file")!r}, "w").write("inside")
except OSError as error:
    print(error)  # no id is mapped in this short form; that it is mounted is what counts
space = os.statvfs({str(target)!r})
print(space.f_blocks * space.f_frsize >> 20)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        pass_fds=(disk.mount_fd,),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert 64 <= int(done.stdout.split()[-1]) < 72
    assert list(target.iterdir()) == []
    disk.release()


def test_many_threads_get_devices_of_their_own(instance):
    disks = TmpDisks(instance, ahead=2)
    disks.open()
    taken = []

    def take():
        for _ in range(5):
            taken.append(disks.take(64, 0, 0))

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len({disk.path.stat().st_dev for disk in taken}) == 30
    for disk in taken:
        disk.release()
    disks.close()


def test_sizes_that_nobody_asks_for_any_more_are_given_back(disks, instance):
    for size_mb in (64, 65, 66, 67, 68, 69):
        disks.take(size_mb, 0, 0).release()
    disks.close()
    assert gone(instance.disks_dir)


def test_nothing_is_left_when_the_server_is_killed(tmp_path):
    """Not even for `leftovers` to clean: mounts and files have no name."""
    instance = Instance(tmp_path)
    code = f"""
import sys
from pathlib import Path
from lambent.sandbox.instance import Instance
from lambent.sandbox.tmpdisk import TmpDisks
disks = TmpDisks(Instance(Path({str(tmp_path)!r})), ahead=2)
disks.open()
kept = [disks.take(64, 0, 0) for _ in range(3)]
print("ready", flush=True)
sys.stdin.read()
"""
    server = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout.readline() == "ready\n"
    assert len(backed_under(instance.disks_dir)) >= 3
    server.kill()
    assert server.wait(20) == -signal.SIGKILL
    server.stdin.close()
    server.stdout.close()
    assert gone(instance.disks_dir)
    assert list(instance.disks_dir.iterdir()) == []


def test_a_missing_device_node_is_made(tmp_path):
    loops = LoopDevices(tmp_path / "nodes")
    path = loops._node(987_654)
    assert Path(path).is_block_device()
    assert os.major(Path(path).stat().st_rdev) == 7
    loops.close()


def test_before_it_is_opened_and_after_it_is_closed_there_is_none(instance):
    disks = TmpDisks(instance)
    assert disks.take(64, 0, 0) is None
    disks.open()
    disks.close()
    assert disks.take(64, 0, 0) is None
    assert not disks.feature().enforced
