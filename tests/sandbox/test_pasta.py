"""Starting and ending pasta. What it connects is its own affair; how it is run and ended is ours."""

import shutil
import subprocess

import pytest

from lambent.errors import SandboxError
from lambent.sandbox.instance import Instance
from lambent.sandbox.pasta import Pasta, end_all, pid_folder


def program(folder, script):
    """A program called pasta that does what the test needs."""
    path = folder / "bin" / "pasta"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_it_is_given_the_namespaces_and_forwards_nothing(tmp_path):
    pasta = Pasta(program(tmp_path, f'echo "$@" > {tmp_path}/said'), Instance(tmp_path))
    pasta.attach("one", 4242)
    said = (tmp_path / "said").read_text()
    assert "--userns /proc/4242/ns/user --netns /proc/4242/ns/net" in said
    assert "--no-map-gw" in said
    assert "-t none -u none -T none -U none" in said


def test_a_failure_says_what_pasta_said(tmp_path):
    pasta = Pasta(program(tmp_path, "echo no tun device >&2; exit 1"), Instance(tmp_path))
    with pytest.raises(SandboxError, match="no tun device"):
        pasta.attach("one", 4242)


def test_only_a_pasta_is_ended_by_its_pid_file(tmp_path):
    folder = pid_folder(Instance(tmp_path))
    folder.mkdir(parents=True)
    copy = tmp_path / "pasta"
    shutil.copy(shutil.which("sleep"), copy)
    running = [subprocess.Popen([str(copy), "60"]), subprocess.Popen(["sleep", "60"])]
    try:
        (folder / "one").write_text(f"{running[0].pid}\n")
        (folder / "reused").write_text(f"{running[1].pid}\n")
        (folder / "torn").write_text("")
        end_all(folder)
        assert running[0].wait(20) == -9
        assert running[1].poll() is None, "the number belongs to another program by now"
        assert not folder.exists()
        end_all(folder)
    finally:
        for process in running:
            process.kill()
            process.wait(20)
