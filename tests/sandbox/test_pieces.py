"""The small pieces: messages, rewritten addresses, merged layers, the choice of a host."""

from __future__ import annotations

import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambent.errors import SandboxError
from lambent.sandbox import layers, wire
from lambent.sandbox.addresses import Addresses
from lambent.sandbox.choose import choose, egress
from lambent.sandbox.host import NamespaceHost
from lambent.sandbox.process import ProcessHost
from lambent.sandbox.resolver import resolv_conf
from lambent.sandbox.spawner_link import explain
from lambent.settings import Settings


@given(st.lists(st.binary(max_size=300)))
def test_fields_come_out_as_they_went_in(fields):
    assert wire.split(wire.join(fields)) == fields
    assert wire.split(wire.encode(1, *fields)[1:]) == fields


def test_messages_carry_descriptors_and_an_end():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        wire.send(ours, wire.encode(wire.START, 7, b"text"), [ours.fileno()])
        message = wire.receive(theirs)
        assert (message.kind, message.fields) == (wire.START, [b"7", b"text"])
        (fd,) = message.fds
        assert os.fstat(fd).st_ino == os.fstat(ours.fileno()).st_ino
        assert not os.get_inheritable(fd)
        os.close(fd)
        ours.close()
        assert wire.receive(theirs).kind == 0


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("/var/task", "/real/code"),
        ("/var/task/a b", "/real/code/a b"),
        ("/var/tasks", "/var/tasks"),
        ("a/var/task", "a/var/task"),
        ("/opt/python:/var/task:/usr/lib", "/layers/python:/real/code:/usr/lib"),
        (":UTC", ":UTC"),
        ("127.0.0.1:9001", "127.0.0.1:4242"),
        ("http://127.0.0.1:9001/path", "http://127.0.0.1:4242/path"),
        ("127.0.0.1:90012", "127.0.0.1:90012"),
        ("", ""),
    ],
)
def test_addresses_are_rewritten(text, rewritten):
    addresses = Addresses({"/var/task": "/real/code", "/opt": "/layers"}, {9001: 4242})
    assert addresses.text(text) == rewritten


def test_layers_merge_by_copying(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for layer in (first, second):
        (layer / "python").mkdir(parents=True)
        (layer / "python" / "both").write_text(layer.name)
        (layer / "python" / layer.name).write_text("")
    (first / "was-file").write_text("")
    (second / "was-file").mkdir()
    (first / "was-folder").mkdir()
    (first / "was-folder" / "inner").write_text("")
    (second / "was-folder").write_text("now a file")
    (first / "link").symlink_to("python")
    (second / "link").symlink_to("nowhere")
    program = second / "run"
    program.write_text("#!/bin/sh")
    program.chmod(0o755)

    merged = layers.merged((first, second), tmp_path / "merged")
    assert (merged / "python" / "both").read_text() == "second"
    assert sorted(p.name for p in (merged / "python").iterdir()) == ["both", "first", "second"]
    assert (merged / "was-file").is_dir()
    assert (merged / "was-folder").read_text() == "now a file"
    assert os.readlink(merged / "link") == "nowhere"
    assert os.access(merged / "run", os.X_OK)
    # Built once, per list.
    assert layers.merged((first, second), tmp_path / "merged") == merged
    assert layers.merged((second, first), tmp_path / "merged") != merged
    assert (first / "python" / "both").read_text() == "first"
    assert layers.merged((first,), tmp_path / "merged") == first


def test_auto_is_isolated_where_that_works(tmp_path, isolation):
    warnings: list[SandboxError] = []
    host = choose(Settings(data_dir=tmp_path), warnings.append)
    assert isinstance(host, NamespaceHost)
    assert warnings == []
    wanted = choose(Settings(data_dir=tmp_path, sandbox="namespaces"), warnings.append)
    assert wanted.kind == "namespaces"


def test_processes_when_asked_for(tmp_path):
    host = choose(Settings(data_dir=tmp_path, sandbox="process"), lambda _: None)
    assert isinstance(host, ProcessHost)


def test_a_wish_that_cannot_be_honoured_is_an_error_and_auto_falls_back(tmp_path, monkeypatch):
    """Without a /proc to write id maps to nothing can be isolated; made so by an unusable spawner."""
    monkeypatch.setattr("lambent.sandbox.spawner_link.BOOT", "raise SystemExit(1)")
    with pytest.raises(SandboxError) as caught:
        choose(Settings(data_dir=tmp_path, sandbox="namespaces"), lambda _: None)
    assert caught.value.code == "SANDBOX_UNAVAILABLE"
    warnings: list[SandboxError] = []
    assert choose(Settings(data_dir=tmp_path), warnings.append).kind == "process"
    assert len(warnings) == 1


@pytest.mark.parametrize(
    ("code", "text", "part"),
    [
        (1, "unshare: Operation not permitted", "unprivileged_userns_clone"),
        (28, "clone: No space left on device", "unprivileged_userns_clone"),
        (1, "build the root: mount proc on proc: Operation not permitted", "systempaths"),
        (13, "mount tmpfs on /x: Permission denied", "apparmor_restrict_unprivileged_userns"),
        (38, "open_tree .: Function not implemented", "--sandbox process"),
    ],
)
def test_every_known_reason_has_a_fix(code, text, part):
    assert part in explain(code, text)[1]


def test_egress_of_the_settings():
    assert egress(Settings(network="host")) == "host"
    assert egress(Settings(network="none")) == "none"
    assert egress(Settings()) == ("nat" if os.geteuid() == 0 else "none")


def test_name_servers_that_can_be_reached(tmp_path):
    stub, real = tmp_path / "stub", tmp_path / "real"
    stub.write_text("nameserver 127.0.0.53\n")
    real.write_text("nameserver 192.0.2.53\n")
    assert resolv_conf((stub, real)) == "nameserver 192.0.2.53\n"
    assert resolv_conf((tmp_path / "absent", real)) == "nameserver 192.0.2.53\n"
    assert resolv_conf((stub,)) == ""
