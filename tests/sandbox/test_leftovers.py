"""kill -9 of a server that holds everything, and what the next start makes of it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lambent.errors import SandboxError
from lambent.sandbox import cgroup_hierarchies as machine
from lambent.sandbox import links, nftables
from lambent.sandbox.cgroups import Cgroups, candidates
from lambent.sandbox.instance import Instance
from lambent.sandbox.leftovers import clean, mounts_under
from lambent.sandbox.loop_device import backed_under
from lambent.sandbox.netlink import inside
from lambent.sandbox.network import interface_prefix

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="what needs cleaning needs root")

# A server with environments that have everything, each of them frozen.
SERVER = """
import os, subprocess, sys, time
from pathlib import Path
from lambent.sandbox import cgroup_hierarchies as machine, kernel
from lambent.sandbox.cgroups import Cgroups
from lambent.sandbox.instance import Instance
from lambent.sandbox.network import Network
from lambent.sandbox.tmpdisk import TmpDisks

instance = Instance(Path(sys.argv[1]))
instance.lock()
use = [h for h in machine.hierarchies() if h.version == 1] if sys.argv[2] == "v1" else None
groups, disks, network = Cgroups(instance, use), TmpDisks(instance, ahead=1), Network(instance)
groups.open(); disks.open(); network.open()
children = []
for number in range(3):
    child = subprocess.Popen(["unshare", "-n", "sleep", "1000"], start_new_session=True)
    children.append(child.pid)
    while os.readlink(f"/proc/{child.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
        time.sleep(0.01)
    group = groups.create(f"env{number}", 64, 10)
    group.add(child.pid)
    disk = disks.take(64, 0, 0)
    network.attach(f"env{number}", child.pid)
    scratch = instance.sandboxes_dir / f"env{number}"
    scratch.mkdir(parents=True)
    kernel.mount("scratch", str(scratch), "tmpfs", 0, "size=64k")
    inner = scratch / "inner"
    inner.mkdir()
    kernel.mount(str(inner), str(inner), None, kernel.MS_BIND)
    kernel.move_mount(disk.mount_fd, str(inner)) if number == 0 else None
    group.freeze()
file = instance.disks_dir / "kept"
with file.open("wb") as opened:
    opened.truncate(1 << 20)
subprocess.run(["losetup", "--find", str(file)], check=True)
print(*children, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def host():
    """A network namespace for the server, so that the machine's own stays as it is."""
    holder = subprocess.Popen(["unshare", "-n", "sleep", "100"])
    path, home = Path(f"/proc/{holder.pid}/ns/net"), Path("/proc/self/ns/net").readlink()
    deadline = time.monotonic() + 20
    while path.readlink() == home:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with inside(fd):
        links.forward(enabled=False)  # a new namespace may inherit it from the machine
    yield fd
    os.close(fd)
    holder.kill()
    holder.wait(20)


def killed_server(data_dir, host, cgroups):
    """Run the server until it has everything, then kill -9; pids of its environments."""
    path = f"/proc/self/fd/{host}"
    server = subprocess.Popen(
        ["nsenter", f"--net={path}", sys.executable, "-c", SERVER, str(data_dir), cgroups],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=(host,),
        text=True,
    )
    try:
        return [int(pid) for pid in server.stdout.readline().split()]
    finally:
        server.kill()
        assert server.wait(20) == -signal.SIGKILL
        server.stdin.close()
        server.stdout.close()


def alive(pid):
    """Whether it runs; whoever inherited it may take a while to reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def groups_of(instance):
    places = candidates(machine.hierarchies(), machine.own_groups(), instance.name)
    return [path for path in places if path.exists()]


@pytest.mark.slow
@pytest.mark.root
@needs_root
@pytest.mark.parametrize("cgroups", ["all", "v1"])
def test_everything_of_a_killed_server_goes_away(tmp_path, host, cgroups):
    if cgroups == "v1" and all(h.version == 2 for h in machine.hierarchies()):
        pytest.skip("no cgroup v1 hierarchy on this machine")
    instance = Instance(tmp_path)
    try:
        _leave_and_clean(instance, host, cgroups)
    finally:
        instance.lock()
        with inside(host):
            clean(instance)
        instance.unlock()


def _leave_and_clean(instance, host, cgroups):
    pids = killed_server(instance.data_dir, host, cgroups)
    assert len(pids) == 3
    assert all(alive(pid) for pid in pids), "frozen, and nobody's children: they stayed"
    assert groups_of(instance)
    assert len(mounts_under(instance.run_dir)) >= 6
    assert backed_under(instance.disks_dir)
    with inside(host):
        assert links.names(interface_prefix(instance))
        assert nftables.tables() == [instance.name]

    instance.lock()
    with inside(host):
        cleaned = clean(instance)
        assert cleaned.stuck == ()
        assert links.names(interface_prefix(instance)) == []
        assert nftables.tables() == []
        assert not links.forwards()
    assert not any(alive(pid) for pid in pids)
    assert groups_of(instance) == []
    assert mounts_under(instance.run_dir) == []
    deadline = time.monotonic() + 20
    while backed_under(instance.disks_dir) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert backed_under(instance.disks_dir) == []
    assert not instance.sandboxes_dir.exists()
    assert not instance.disks_dir.exists()

    with inside(host):
        again = clean(instance)
    assert not any((again.mounts, again.loop_devices, again.folders, again.stuck))


@pytest.mark.root
@needs_root
def test_another_servers_things_are_left_alone(tmp_path):
    other, mine = Instance(tmp_path / "other"), Instance(tmp_path / "mine")
    groups = Cgroups(other)
    groups.open()
    child = subprocess.Popen(["sleep", "100"])
    try:
        groups.create("kept", 64, 10).add(child.pid)
        mine.lock()
        clean(mine)
        assert child.poll() is None
        assert groups_of(other)
    finally:
        child.kill()
        child.wait(20)
        groups.close()
        mine.unlock()
    assert groups_of(other) == []


def test_only_the_owner_cleans(tmp_path):
    with pytest.raises(SandboxError, match="owner"):
        clean(Instance(tmp_path))


def test_a_live_owner_keeps_its_lock_and_a_dead_one_does_not(tmp_path):
    code = """
import os, sys
from pathlib import Path
from lambent.sandbox.instance import Instance
instance = Instance(Path(sys.argv[1]))
instance.lock()
if os.fork() == 0:                      # a child that outlives it, as a spawner might
    sys.stdin.read()
    os._exit(0)
print("locked", flush=True)
sys.stdin.read()
"""
    server = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout.readline() == "locked\n"
    mine = Instance(tmp_path)
    with pytest.raises(SandboxError, match=f"pid {server.pid}"):
        mine.lock()
    server.kill()
    server.wait(20)
    mine.lock()
    assert mine.locked
    mine.unlock()
    server.stdin.close()
    server.stdout.close()


def test_what_was_remembered_survives_a_torn_file(tmp_path):
    instance = Instance(tmp_path)
    instance.remember("cgroups", ["/a", "/b"])
    instance.remember("cgroups", ["/b", "/c"])
    assert instance.recall("cgroups") == ["/a", "/b", "/c"]
    (instance.run_dir / "cgroups.json").write_text('["/a", ')
    assert instance.recall("cgroups") == []
    instance.forget("cgroups")
    instance.forget("cgroups")
    assert instance.recall("cgroups") == []


def test_the_name_is_the_data_folders(tmp_path):
    assert Instance(tmp_path).name == Instance(tmp_path / "x" / "..").name
    assert Instance(tmp_path).name != Instance(tmp_path / "x").name
    assert len(interface_prefix(Instance(tmp_path))) + len(f"{2**14:x}") <= 15
