"""What a function tries against the server, the machine and other functions, over the real API.

A short list; `tests/sandbox/test_attacks.py` has the long one. Each attack must fail, and must fail
for a reason that shows it was tried.
"""

import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ATTACKER = """
import errno, os, socket
def tried(call, *args):
    # What came of it: the error's name, or its value.
    try:
        return call(*args)
    except OSError as error:
        return errno.errorcode.get(error.errno, type(error).__name__)
def handler(event, context):
    names = {"event": event, "context": context, "tried": tried, "os": os, "socket": socket}
    exec(event["code"], names)
    return names["result"]
"""
VICTIM = """
import os, time
SECRET = "the victim's secret"
def handler(event, context):
    with open("/tmp/secret", "w") as file:
        file.write(SECRET)
    os.chmod("/tmp", 0o777)
    os.chmod("/tmp/secret", 0o666)
    time.sleep(event.get("s", 0))
    return os.getpid()
"""
LISTENING = """
import socket, struct, time, fcntl
def handler(event, context):
    with socket.create_server(("0.0.0.0", 9002)) as server:
        addresses = []
        for _, name in socket.if_nameindex():
            try:
                found = fcntl.ioctl(server, 0x8915, struct.pack("256s", name.encode()))
                addresses.append(socket.inet_ntoa(found[20:24]))
            except OSError:
                pass
        print("listening", *addresses, flush=True)
        server.settimeout(4)
        try:
            server.accept()
        except TimeoutError:
            return "nobody"
        return "somebody"
"""
HTTP_VICTIM = """#!/bin/sh
# In its Init for a while, with its Runtime API open.
exec sleep 3
"""


@pytest.fixture(scope="module")
def isolated(server):
    if not server.facts["sandbox"].startswith("namespaces"):
        pytest.skip(f"this machine has no isolation: {server.facts['sandbox']}")
    return server


@pytest.fixture(scope="module")
def attack(isolated):
    """Run code as one function while another runs; what it calls `result` comes back."""
    suffix = uuid.uuid4().hex[:8]
    attacker, victim = f"attacker-{suffix}", f"victim-{suffix}"
    isolated.function(attacker, ATTACKER, Timeout=60, MemorySize=1769)
    isolated.function(
        victim, VICTIM, Timeout=100, Environment={"Variables": {"TOKEN": "victims-token"}}
    )
    isolated.invoke(victim)

    def run(code, **event):
        return isolated.invoke(attacker, {"code": code, **event})

    run.victim, run.name = victim, attacker
    yield run
    for name in (attacker, victim):
        isolated.client.delete_function(FunctionName=name)


def test_paths_of_the_server_and_of_others_are_not_there(isolated, attack):
    data_dir = str(isolated.data_dir)
    paths = [
        data_dir,
        f"{data_dir}/lambent.sqlite",
        f"{data_dir}/logs",
        f"{data_dir}/artifacts",
        "/etc/shadow",
        "/etc/ssh",
        "/tmp/secret",
        "/var/lib",
        "/work",
        f"/proc/{isolated.process.pid}/environ",
        f"/proc/1/root{data_dir}",
        f"/proc/self/root{data_dir}",
        f"/var/task/../../..{data_dir}",
    ]
    code = "result = [path for path in event['paths'] if os.path.exists(path)]"
    assert attack(code, paths=paths) == []
    assert attack("result = os.listdir('/root')") == []
    assert attack("result = tried(open, '/etc/shadow')") == "ENOENT"
    assert sorted(attack("result = os.listdir('/var/task')")) == ["app.py"]
    assert attack("result = os.listdir('/tmp')") == []


def test_no_file_anywhere_holds_anothers_secret(attack):
    code = """
result = []
seen = 0
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if folder + name not in ("/proc", "/sys", "/dev", "/usr")
                  and os.path.join(folder, name) not in ("/var/lang", "/var/runtime")]
    for name in files:
        seen += 1
        try:
            with open(os.path.join(folder, name), "rb") as file:
                if b"the victim's " + b"secret" in file.read(1 << 20):
                    result.append(os.path.join(folder, name))
        except OSError:
            pass
assert seen > 3
"""
    assert attack(code) == []


def test_the_servers_port_is_not_reachable(isolated, attack):
    code = """
def connect(host, port):
    with socket.create_connection((host, port), 1) as sock:
        return "connected"
hosts = ["127.0.0.1", "localhost", "::1", *event["addresses"]]
result = {host: tried(connect, host, event["port"]) for host in hosts}
"""
    addresses = _own_addresses()
    got = attack(code, port=isolated.port, addresses=addresses)
    assert "connected" not in got.values(), got
    assert got["127.0.0.1"] == "ECONNREFUSED", "its own loopback, on which nobody listens"


def _own_addresses():
    """The machine's own, other than its loopback."""
    found = set()
    for line in Path("/proc/net/fib_trie").read_text().splitlines():
        if "|--" in line:
            last = line.split()[-1]
        elif "host LOCAL" in line and not last.startswith("127."):
            found.add(last)
    return sorted(found)


@pytest.mark.slow  # a custom runtime in its Init
def test_anothers_runtime_api_is_not_reachable(isolated, attack, until):
    name = f"listening-{uuid.uuid4().hex[:8]}"
    isolated.function(name, {"bootstrap": HTTP_VICTIM}, Runtime="provided.al2023", Timeout=1)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(isolated.client.invoke, FunctionName=name)
        until(lambda: any(line.startswith("INIT_START") for line in isolated.log(name)))
        code = """
def connect(host):
    with socket.create_connection((host, 9001), 1) as sock:
        return "connected"
def ask(path):
    with socket.create_connection(("127.0.0.1", 9001), 5) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n".encode())
        return sock.recv(4096).split()[1].decode()
result = {host: tried(connect, host) for host in event["addresses"]}
result["own"] = ask("/2018-06-01/runtime/invocation/next")
"""
        got = attack(code, addresses=_own_addresses())
        assert not call.done(), "its Runtime API was there to be found"
        # At this port of its own loopback is its own door, which has nobody's invokes.
        assert got.pop("own").startswith("4")
        assert "connected" not in got.values(), got
        call.result()["Payload"].read()
    isolated.client.delete_function(FunctionName=name)


@pytest.mark.slow  # waits for a connection that must not come
def test_what_another_environment_listens_on_is_not_reachable(isolated, attack, until):
    name = f"listening-{uuid.uuid4().hex[:8]}"
    isolated.function(name, LISTENING)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(isolated.invoke, name)
        until(lambda: any(line.startswith("listening") for line in isolated.log(name)))
        (line,) = (line for line in isolated.log(name) if line.startswith("listening"))
        addresses = line.split()[1:]
        assert "127.0.0.1" in addresses
        code = """
def connect(host):
    with socket.create_connection((host, 9002), 1) as sock:
        return "connected"
result = {host: tried(connect, host) for host in event["addresses"]}
"""
        got = attack(code, addresses=addresses)
        assert not call.done()
        assert set(got.values()) <= {
            "ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EACCES", "EPERM", "TimeoutError",
        }, got  # fmt: skip
        assert call.result() == "nobody"
    isolated.client.delete_function(FunctionName=name)


def test_processes_outside_can_be_neither_seen_nor_signalled(isolated, attack):
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(isolated.invoke, attack.victim, {"s": 2})
        pids = [isolated.process.pid, os.getpid()]
        code = """
import signal
own = {int(name) for name in os.listdir("/proc") if name.isdigit()}
lines = {pid: open(f"/proc/{pid}/cmdline").read() for pid in own}
result = {
    "own": sorted(own), "me": os.getpid(), "lines": lines,
    "kill": [tried(os.kill, pid, 0) for pid in event["pids"] if pid not in own],
    "kill init": tried(os.kill, 1, signal.SIGKILL), "parent": os.getppid(),
}
"""
        got = attack(code, pids=pids)
        assert not running.done()
        running.result()
    assert len(got["own"]) <= 3
    assert set(got["kill"]) <= {"ESRCH"}
    assert got["kill init"] in {"EPERM", None}
    assert not any(
        attack.victim in line or "lambent.server" in line for line in got["lines"].values()
    )
    assert attack("result = 'still here'") == "still here"


def test_what_a_function_sees_is_read_only_but_its_tmp(attack):
    code = """
result = {
    path: tried(open, path + "/mine", "w") for path in
    ("/", "/var/task", "/var/runtime", "/var/lang", "/opt", "/usr", "/usr/bin", "/etc", "/root", "/home",
     "/var", "/proc", "/sys")
    if os.path.isdir(path)
}
result["overwrite"] = tried(open, "/var/task/app.py", "a")
result["unlink"] = tried(os.unlink, "/var/task/app.py")
result["chmod"] = tried(os.chmod, "/var/task/app.py", 0o777)
"""
    got = attack(code)
    assert {"/", "/var/task", "/usr", "/etc", "overwrite", "unlink"} <= got.keys()
    assert set(got.values()) <= {"EROFS", "EACCES", "EPERM", "ENOENT"}, got


def test_no_power_is_left_and_none_can_be_had(attack):
    code = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
def system(name, *args):
    ctypes.set_errno(0)
    value = getattr(libc, name)(*args)
    return "done" if value >= 0 else __import__("errno").errorcode[ctypes.get_errno()]
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
result = {
    "uid": os.getuid(), "effective": status["CapEff"].strip(), "bounding": status["CapBnd"].strip(),
    "new privileges": status["NoNewPrivs"].strip(), "seccomp": status["Seccomp"].strip(),
    "setuid": tried(os.setuid, 0), "setgid": tried(os.setgid, 0),
    "chroot": tried(os.chroot, "/tmp"),
    "mount": system("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "umount": system("umount2", b"/tmp", 2),
    "unshare": system("unshare", 0x10000000),
    "setns": tried(lambda: system("setns", os.open("/proc/1/ns/mnt", os.O_RDONLY), 0)),
    "ptrace": system("ptrace", 16, 1, None, None),
    "bpf": system("syscall", 321, 0, None, 0),
    "keyctl": system("syscall", 250, 0, 0, 0, 0, 0),
    "device": tried(os.mknod, "/tmp/disk", 0o60666, os.makedev(7, 0)),
    "raw": tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close()),
    "packet": tried(lambda: socket.socket(17, socket.SOCK_RAW, 0).close()),
}
"""
    got = attack(code)
    assert got.pop("uid") != 0
    assert int(got.pop("effective"), 16) == int(got.pop("bounding"), 16) == 0
    assert (got.pop("new privileges"), got.pop("seccomp")) == ("1", "2")
    assert set(got.values()) <= {"EPERM", "EACCES", "ENOSYS", "EAFNOSUPPORT", "ESRCH", "EINVAL"}, (
        got
    )


def test_nothing_of_the_servers_environment_is_in_a_functions(isolated, attack):
    code = """
import glob
def all_of(pattern):
    found = b""
    for path in glob.glob(pattern):
        try:
            found += open(path, "rb").read() + b"\\0"
        except OSError:
            pass
    return found.decode(errors="replace")
result = [dict(os.environ), all_of("/proc/*/environ"), all_of("/proc/*/cmdline")]
"""
    environ, everyones, command_lines = attack(code)
    assert environ["AWS_LAMBDA_FUNCTION_NAME"] == attack.name
    assert "victims-token" not in everyones
    server_only = {
        line.split("=", 1)[0]: line.split("=", 1)[1]
        for line in Path(f"/proc/{isolated.process.pid}/environ").read_text().split("\0")
        if "=" in line
    }
    names = {
        name for name in server_only if name.startswith(("LAMBENT_", "XDG_", "PYENV", "PYTEST"))
    }
    assert names
    assert not names & environ.keys()
    for text in (str(environ), everyones, command_lines):
        assert str(isolated.data_dir) not in text
    allowed = {"PATH", "LANG", "TZ", "PYTHONPATH", "LD_LIBRARY_PATH"}
    assert not {k for k, v in server_only.items() if environ.get(k) == v} - allowed


def test_the_machines_devices_and_kernel_are_out_of_reach(attack):
    code = """
result = {
    "devices": sorted(os.listdir("/dev")),
    "kcore": tried(open, "/proc/kcore", "rb"), "sysrq": tried(open, "/proc/sysrq-trigger", "w"),
    "core_pattern": tried(open, "/proc/sys/kernel/core_pattern", "w"),
    "cgroup": os.path.exists("/sys/fs/cgroup/cgroup.procs") or bool(
        os.path.isdir("/sys/fs/cgroup") and os.listdir("/sys/fs/cgroup")),
    "shm": os.path.exists("/dev/shm"),
}
"""
    got = attack(code)
    assert set(got.pop("devices")) <= {
        "fd", "full", "null", "ptmx", "pts", "random", "stderr", "stdin", "stdout", "tty",
        "urandom", "zero",
    }  # fmt: skip
    assert got.pop("cgroup") is False
    assert got.pop("shm") is False
    assert set(got.values()) <= {"ENOENT", "EACCES", "EPERM", "EROFS"}, got


def test_each_function_has_a_host_user_of_its_own(isolated, attack):
    if os.geteuid() != 0:
        pytest.skip("without root all functions belong to the server's user")
    with ThreadPoolExecutor(2) as pool:
        calls = [
            pool.submit(isolated.invoke, attack.victim, {"s": 1}),
            pool.submit(attack, "import time; time.sleep(1); result = os.getuid()"),
        ]
        users = set()
        while not all(call.done() for call in calls):
            for status in Path("/proc").glob("[0-9]*/status"):
                try:
                    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
                    line = (status.parent / "cmdline").read_bytes()
                except (OSError, ValueError):
                    continue
                if b"/var/runtime/bootstrap.py" in line:
                    users.add(int(fields["Uid"].split()[0]))
        assert len(users) >= 2
        assert 0 not in users
        assert calls[1].result() != 0
