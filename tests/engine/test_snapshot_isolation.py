"""What a fork of a template may not do: to its siblings, to the template, to the kernel."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

import pytest

pytestmark = pytest.mark.usefixtures("forks")

ATTACKER = r'''
import ctypes, errno, glob, json, os, signal, socket, sys, time

secret = "in the template's memory"
libc = ctypes.CDLL(None, use_errno=True)
at_fork = {}

def look():
    """What holds when the function's own handler for forks runs: the earliest code of its own."""
    at_fork.update(powers())

def powers():
    status = dict(line.split(":\t", 1) for line in open("/proc/self/status") if ":\t" in line)
    return {name: status[name].strip() for name in
            ("CapPrm", "CapEff", "CapInh", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp_filters")}

os.register_at_fork(after_in_child=look)

def call(number, *arguments):
    result = libc.syscall(number, *arguments)
    return "done" if result >= 0 else errno.errorcode[ctypes.get_errno()]

def pids():
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())

def attempt(action):
    try:
        return repr(action())
    except OSError as error:
        return errno.errorcode[error.errno]

def handler(event, context):
    what = event.get("what")
    if what == "facts":
        time.sleep(event.get("wait", 0))
        return {"now": powers(), "at_fork": at_fork, "pids": pids(), "pid": os.getpid(),
                "uid": os.getuid(), "groups": os.getgroups(),
                "fds": {name: attempt(lambda: os.readlink("/proc/self/fd/" + name))
                        for name in os.listdir("/proc/self/fd")}}
    if what == "namespaces":
        return {name: os.readlink("/proc/self/ns/" + name) for name in os.listdir("/proc/self/ns")}
    if what == "attack":
        return {
            "signal": attempt(lambda: os.kill(event["pid"], 9)),
            "signal all": attempt(lambda: os.kill(1, 9)),
            "ptrace": call(101, 16, event["pid"], 0, 0),
            "ptrace pid 1": call(101, 16, 1, 0, 0),
            "read memory": call(310, event["pid"], 0, 0, 0, 0, 0),
            "pidfd_getfd": call(438, 0, 0, 0),
            "mount": call(165, b"none", b"/tmp", b"tmpfs", 0, 0),
            "umount": call(166, b"/proc", 2),
            "unshare": call(272, 0x10000000),
            "setns": call(308, os.open("/proc/self/ns/user", os.O_RDONLY), 0),
            "chroot": call(161, b"/tmp"),
            "clone user": call(56, 0x10000000 | 17, 0, 0, 0, 0),
            "pid 1's memory": attempt(lambda: open("/proc/1/mem", "rb")),
            "pid 1's namespaces": attempt(lambda: os.open("/proc/1/ns/mnt", os.O_RDONLY)),
            "raw socket": attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)),
        }
    if what == "write":
        open("/tmp/mine", "w").write("mine")
        time.sleep(0.5)
        return sorted(os.listdir("/tmp"))
    if what == "listen":
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 5555))
            sock.listen()
            time.sleep(0.5)
        return "listened"
    if what == "abstract":
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind("\0mine")
            time.sleep(0.5)
        return "bound"
'''
NOTHING = "0000000000000000"


def test_nothing_is_left_to_a_fork_before_its_function_runs(engine):
    async def scenario(engine):
        engine.function(ATTACKER, snap_start=True)
        facts = await engine.answer({"what": "facts"})
        for powers in (facts["now"], facts["at_fork"]):
            assert {powers[name] for name in powers if name.startswith("Cap")} == {NOTHING}
            assert powers["NoNewPrivs"] == "1"
            assert int(powers["Seccomp_filters"]) >= 2
        assert facts["uid"] == 993
        # Itself and its pid 1; no template, no sibling.
        assert facts["pids"] == [1, facts["pid"]]
        kinds = {path.partition(":")[0].strip("'") for path in facts["fds"].values()}
        assert kinds <= {"/dev/null", "pipe", "socket", "ENOENT", "/proc/2/fd"}, facts["fds"]
        assert sum(path.startswith("'socket") for path in facts["fds"].values()) == 1

    engine(scenario)


@pytest.mark.slow
def test_attacks_on_siblings_the_template_and_the_kernel_are_refused(engine):
    async def scenario(engine):
        engine.function(ATTACKER, snap_start=True)
        waiting = asyncio.create_task(engine.answer({"what": "facts", "wait": 1.0}))
        (target,) = engine.targets["f"].versions.values()
        template = await engine.dispatcher.snapshots.template(target)
        ends = await engine.answer({"what": "attack", "pid": template.pid})
        # Pid 1 cannot be killed from inside: the call succeeds and does nothing.
        assert ends.pop("signal all") in {"None", "EPERM"}
        allowed = {"EPERM", "ESRCH", "EACCES", "ENOSYS", "EINVAL"}
        assert {name: end for name, end in ends.items() if end not in allowed} == {}
        for name in ("setns", "mount", "unshare", "clone user", "ptrace", "ptrace pid 1"):
            assert ends[name] in {"EPERM", "ENOSYS"}, (name, ends[name])
        assert (await waiting)["pids"]
        assert template.alive

    engine(scenario)


@pytest.mark.slow
def test_every_namespace_is_a_forks_own(engine):
    async def scenario(engine):
        engine.function(ATTACKER, snap_start=True)
        first, second = await asyncio.gather(
            engine.answer({"what": "facts", "wait": 0.5}), engine.answer({"what": "namespaces"})
        )
        assert first
        (template,) = engine.dispatcher.snapshots.standing().values()
        for name in ("user", "pid", "mnt", "net", "ipc", "uts"):
            if os.geteuid() == 0:
                assert second[name] != os.readlink(f"/proc/{template.pid}/ns/{name}"), name

    engine(scenario)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["write", "listen", "abstract"])
def test_files_ports_and_names_are_a_forks_own(engine, what):
    async def scenario(engine):
        engine.function(ATTACKER, snap_start=True)
        answers = await asyncio.gather(*(engine.answer({"what": what}) for _ in range(3)))
        expected = {"write": ["mine"], "listen": "listened", "abstract": "bound"}[what]
        assert answers == [expected] * 3
        assert len(engine.dispatcher.environments()) >= 3

    engine(scenario)


def test_a_template_that_lies_about_its_fork_is_found_out(engine):
    """Code in Init may change our runtime in its own process: the server looks for itself."""
    source = """
import lambent_runtime.forking as forking
whole = forking.Forker._no_powers
def lazy(self, last, seal):
    whole(self, last, seal)
    return b""
forking.Forker._no_powers = lazy
def handler(event, context):
    return open("/proc/self/status").read()
"""

    async def scenario(engine):
        engine.function(source, snap_start=True)
        with pytest.raises(Exception, match="not confined"):
            await engine.call()

    engine(scenario)


@pytest.mark.slow
def test_when_a_template_is_killed_it_is_made_again(engine):
    async def scenario(engine):
        engine.function(ATTACKER, snap_start=True)
        await engine.answer({"what": "facts"})
        (template,) = engine.dispatcher.snapshots.standing().values()
        with contextlib.suppress(ProcessLookupError):
            os.kill(template.pid, signal.SIGKILL)
        # At once: a fork may be on its way when the server hears of it.
        answers = await asyncio.gather(
            *(engine.answer({"what": "facts", "wait": 0.5}) for _ in range(2))
        )
        assert len(answers) == 2
        (again,) = engine.dispatcher.snapshots.standing().values()
        assert again is not template

    engine(scenario)
