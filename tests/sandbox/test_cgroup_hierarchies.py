"""Where controllers are, on machines that this one is not; and v2 delegation by the real kernel."""

import os
from pathlib import Path

import pytest

from lambent.sandbox import cgroup_hierarchies as machine
from lambent.sandbox.cgroup_files import number_after
from lambent.sandbox.cgroup_v2 import CpuV2, MemoryV2, PidsV2, delegated_parent

# Lines as systemd, Docker and a hybrid machine write them.
UNIFIED = "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,favordynmods
"""
CONTAINER = (
    "900 800 0:32 /docker/abc /sys/fs/cgroup/memory ro,nosuid master:17 - cgroup cgroup rw,memory\n"
)


def test_a_unified_machine_has_no_v1_controllers():
    found = machine.parse_mountinfo(UNIFIED)
    assert machine.locate(found) == {}
    unified = machine.unified(found)
    assert unified is not None
    assert unified.mount == Path("/sys/fs/cgroup")
    assert not machine.favours_dynamic_modifications(found)


def test_a_hybrid_machine_has_each_controller_somewhere():
    found = machine.parse_mountinfo(HYBRID)
    located = machine.locate(found)
    assert set(located) == {"cpu", "memory"}
    assert located["cpu"].mount == Path("/sys/fs/cgroup/cpu,cpuacct")
    assert machine.favours_dynamic_modifications(found)


def test_own_group_is_seen_through_the_mount(tmp_path):
    (tmp_path / "inner").mkdir()
    container = machine.Hierarchy(1, tmp_path, "/docker/abc", ("rw", "memory"))
    assert container.own("4:memory:/docker/abc/inner\n0::/x\n") == tmp_path / "inner"
    assert container.own("4:memory:/docker/abc\n") == tmp_path
    assert container.own("4:memory:/elsewhere\n") == tmp_path, "not visible: the top of the mount"
    assert container.own("4:memory:/docker/abc/gone\n") == tmp_path
    unified = machine.Hierarchy(2, tmp_path, "/", ("rw",))
    assert unified.own("4:memory:/a\n0::/inner\n") == tmp_path / "inner"
    assert machine.parse_mountinfo(CONTAINER)[0].root == "/docker/abc"


def test_spaces_in_mount_points_are_understood():
    line = "30 23 0:26 / /mnt/my\\040groups rw - cgroup2 cgroup2 rw\n"
    assert machine.parse_mountinfo(line)[0].mount == Path("/mnt/my groups")


def test_numbers_are_found_by_whole_key():
    text = b"total_rss 9\nrss_huge 1\nrss 42\noom_kill 0"
    assert number_after(text, b"rss") == 42
    assert number_after(text, b"total_rss") == 9
    assert number_after(text, b"oom_kill") == 0
    assert number_after(text, b"absent") == 0


def test_v2_files_get_what_the_kernel_expects(tmp_path):
    """The v2 controllers may be bound to v1 here, so this checks the texts against the manual."""
    for name in ("memory.max", "memory.swap.max", "cpu.max", "pids.max"):
        (tmp_path / name).write_text("max")
    (tmp_path / "memory.stat").write_text("anon 1048576\nfile 99\nshmem 4096\nanon_thp 7\n")
    (tmp_path / "memory.events").write_text("low 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n")
    memory = MemoryV2(tmp_path)
    memory.limit(64 << 20)
    assert (tmp_path / "memory.max").read_text().startswith(str(64 << 20))
    assert (tmp_path / "memory.swap.max").read_text().startswith("0")
    assert memory.used_bytes(shmem=False) == 1048576
    assert memory.used_bytes(shmem=True) == 1048576 + 4096
    assert memory.oom_kills() == 2
    memory.close()
    CpuV2(tmp_path).quota(0.5)
    assert (tmp_path / "cpu.max").read_text() == "10000 20000"
    CpuV2(tmp_path).quota(None)
    assert (tmp_path / "cpu.max").read_text().startswith("max 20000")
    PidsV2(tmp_path).limit(77)
    assert (tmp_path / "pids.max").read_text().startswith("77")


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="delegation writes to the top of the hierarchy")
def test_a_free_controller_is_handed_down():
    """Whatever controller v2 has here (often hugetlb alone): the mechanism is the same for each."""
    unified = machine.unified(machine.hierarchies())
    if unified is None:
        pytest.skip("no v2 hierarchy")
    control = unified.mount / "cgroup.subtree_control"
    free = (unified.mount / "cgroup.controllers").read_text().split()
    before = control.read_text().split()
    if not free:
        pytest.skip("every controller is bound to v1")
    place = delegated_parent(unified, unified.mount, "lambent-0test000", {free[0], "nosuch"})
    assert place is not None
    parent, got = place
    try:
        assert got == {free[0]}
        child = parent / "child"
        child.mkdir()
        assert free[0] in (child / "cgroup.controllers").read_text().split()
        child.rmdir()
    finally:
        parent.rmdir()
        if free[0] not in before:
            control.write_text(f"-{free[0]}")
