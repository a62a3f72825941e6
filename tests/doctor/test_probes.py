"""Each probe against a machine that has the obstacle, made for real where that can be."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lambent.doctor import probes
from lambent.doctor.__main__ import examine
from lambent.doctor.finding import Finding, Machine, Probe
from lambent.doctor.probes import (
    apparmor,
    aws_settings,
    clock,
    companions,
    disk_space,
    idle_cpus,
    interpreters,
    pasta,
    port,
    proc,
    skopeo,
    user_namespaces,
    uv,
)
from lambent.settings import Settings


def machine(tmp_path, *, environ=None, is_root=True, proc_dir=Path("/proc"), **settings):
    wanted = Settings(**{"data_dir": tmp_path / "data", **settings})
    return Machine(wanted, environ or {}, proc=proc_dir, is_root=is_root)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_every_probe_file_is_in_the_list():
    folder = Path(probes.__file__).parent
    assert len(probes.ALL) == len([p for p in folder.glob("*.py") if p.stem != "__init__"])
    assert len({probe.name for probe in probes.ALL}) == len(probes.ALL)


def test_the_port_is_free_or_somebody_has_it(tmp_path):
    at = machine(tmp_path, port=free_port())
    assert port.look(at).status == "ok"
    with socket.socket() as other:
        other.bind(("127.0.0.1", at.settings.port))
        other.listen()
        found = port.look(at)
    assert found.status == "missing"
    assert found.why.startswith(f"pid {os.getpid()}: ")
    assert f"--port {at.settings.port + 1}" in found.fix


def test_the_port_is_a_lambent_servers(tmp_path):
    at = machine(tmp_path, port=free_port())
    # As the server's command line looks to whoever reads /proc.
    listen = f"import socket; s = socket.create_server(('127.0.0.1', {at.settings.port})); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", listen, "lambent.server"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as other:  # fmt: skip
        other.stdout.readline()
        found = port.look(at)
        other.stdin.close()
    assert found == Finding("ok", f"{at.settings.port} is served by lambent (pid {other.pid})")


@pytest.mark.parametrize(
    ("mounts", "status"),
    [
        ("22 1 0:21 / /proc rw - proc proc rw\n", "ok"),
        ("23 22 0:30 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw\n", "ok"),
        ("24 22 0:31 /null /proc/kcore rw - tmpfs tmpfs rw\n", "missing"),
    ],
)
def test_a_covered_proc_is_noticed(tmp_path, mounts, status):
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "mountinfo").write_text(mounts)
    assert proc.look(machine(tmp_path, proc_dir=tmp_path)).status == status


def test_user_namespaces_that_are_switched_off_name_the_switch(tmp_path):
    (tmp_path / "sys" / "kernel").mkdir(parents=True)
    switch = tmp_path / "sys" / "kernel" / "unprivileged_userns_clone"
    switch.write_text("0\n")
    at = machine(tmp_path, proc_dir=tmp_path)
    did = user_namespaces.mend(at)
    assert "kernel.unprivileged_userns_clone = 1" in did
    assert switch.read_text() == "1"
    with pytest.raises(OSError, match="nothing that a setting"):
        user_namespaces.mend(at)
    assert user_namespaces.look(machine(tmp_path, sandbox="process")).status == "warn"


def test_apparmor_that_restricts_others(tmp_path):
    (tmp_path / "sys" / "kernel").mkdir(parents=True)
    switch = tmp_path / "sys" / "kernel" / "apparmor_restrict_unprivileged_userns"
    assert apparmor.look(machine(tmp_path, proc_dir=tmp_path, is_root=False)).status == "ok"
    switch.write_text("1\n")
    assert apparmor.look(machine(tmp_path, proc_dir=tmp_path)).status == "ok"
    found = apparmor.look(machine(tmp_path, proc_dir=tmp_path, is_root=False))
    assert (found.status, "--fix -y" in found.fix) == ("warn", True)
    text = apparmor.profile("/opt/a b/python3.13")
    assert '"/opt/a b/python3.13" flags=(unconfined) {\n  userns,\n}' in text


def test_a_full_disk_and_one_that_cannot_be_written(tmp_path, monkeypatch):
    assert disk_space.look(machine(tmp_path)).status in {"ok", "warn"}
    real = os.statvfs(tmp_path)

    class Nearly:
        f_bavail, f_frsize, f_files, f_favail = 100, real.f_frsize, real.f_files, real.f_favail

    monkeypatch.setattr(os, "statvfs", lambda _: Nearly)
    found = disk_space.look(machine(tmp_path))
    assert (found.status, "--data-dir" in found.fix) == ("missing", True)
    assert disk_space.look(machine(tmp_path, data_dir=Path("/proc/none"))).status == "missing"


def test_pasta_is_asked_for_only_where_it_is_needed(tmp_path):
    bare = {"PATH": str(tmp_path)}
    assert pasta.look(machine(tmp_path, environ=bare)).status == "ok"
    assert pasta.look(machine(tmp_path, environ=bare, is_root=False)).status == "ok"
    found = pasta.look(machine(tmp_path, environ=bare, is_root=False, network="nat"))
    assert (found.status, "passt" in found.fix) == ("missing", True)


def test_skopeo_is_installed_by_the_distributions_own_means(tmp_path):
    at = machine(tmp_path, environ={"PATH": str(tmp_path / "bin")})
    (tmp_path / "bin").mkdir()
    assert skopeo.look(at).fix == "install skopeo"
    with pytest.raises(OSError, match="none of apt-get"):
        skopeo.mend(at)
    manager = tmp_path / "bin" / "apt-get"
    manager.write_text("#!/bin/sh\necho no network >&2\nexit 1\n")
    manager.chmod(0o755)
    found = skopeo.look(at)
    assert found.status == "warn"
    assert found.fix == "sudo apt-get install -y --no-install-recommends skopeo"
    with pytest.raises(OSError, match="no network"):
        skopeo.mend(at)
    manager.write_text(
        '#!/bin/sh\n[ "$1" = install ] || exit 0\n'
        f"printf '#!/bin/sh\\n' > {tmp_path}/bin/skopeo; /bin/chmod 755 {tmp_path}/bin/skopeo\n"
    )
    assert skopeo.mend(at) == "installed skopeo"
    assert skopeo.look(at).status == "ok"


def test_interpreters_that_are_missing_can_be_installed(tmp_path):
    nowhere = {"PATH": str(tmp_path), "HOME": str(tmp_path), "PYENV_ROOT": str(tmp_path)}
    found = interpreters.look(machine(tmp_path, environ=nowhere))
    assert "uv python install" in found.fix
    assert "3.14" in found.fix
    python = Path(sys._base_executable)
    folder = tmp_path / "bin"
    folder.mkdir()
    minor = f"python3.{sys.version_info.minor}"
    (folder / minor).symlink_to(python)
    there = interpreters.look(machine(tmp_path, environ=nowhere | {"PATH": str(folder)}))
    assert f"{minor} (3.{sys.version_info.minor}." in there.said
    assert there.status in {"ok", "warn"}


def test_the_other_runtimes_are_told_too(tmp_path):
    for name, said in (("node", "v22.1.0"), ("python3.14", "")):
        program = tmp_path / name
        program.write_text(
            f'#!/bin/sh\nexec {sys.executable} "$@"\n' if not said else f"#!/bin/sh\necho {said}\n"
        )
        program.chmod(0o755)
    nowhere = {"PATH": str(tmp_path), "HOME": str(tmp_path), "PYENV_ROOT": str(tmp_path)}
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / f"python3.{sys.version_info.minor}").symlink_to(Path(sys._base_executable))
    found = interpreters.look(machine(tmp_path, environ=nowhere | {"PATH": f"{tmp_path}:{folder}"}))
    assert "nodejs22.x (22.1.0)" in found.said or found.status == "warn"


def test_uv_and_the_clock_are_there(tmp_path, monkeypatch):
    assert uv.look(machine(tmp_path)).said.startswith("uv ")
    assert clock.look(machine(tmp_path)).status == "ok"
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert clock.look(machine(tmp_path)).status == "missing"


@pytest.fixture
def aws_files(tmp_path, monkeypatch):
    (tmp_path / "config").write_text(
        "[default]\nregion = eu-west-1\n[profile work]\nsso_session = corp\nsso_account_id = 1\n"
    )
    (tmp_path / "credentials").write_text("[personal]\naws_access_key_id = AKIAPERSONAL\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.mark.parametrize(
    ("environ", "status", "said"),
    [
        ({}, "ok", "no endpoint and no credentials"),
        ({"AWS_PROFILE": "personal"}, "warn", "AWS itself, with profile personal"),
        ({"AWS_PROFILE": "work"}, "warn", "AWS itself, with profile work"),
        ({"AWS_PROFILE": "gone"}, "missing", "names gone"),
        ({"AWS_ACCESS_KEY_ID": "AKIASECRETLY"}, "warn", "AWS_ACCESS_KEY_ID AKIA…"),
        ({"AWS_ACCESS_KEY_ID": "lambent"}, "ok", "no endpoint"),
        ({"AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:9000"}, "ok", "http://127.0.0.1:9000"),
        ({"AWS_ENDPOINT_URL_LAMBDA": "http://u:pw@box:9000"}, "warn", "http://box:9000, in clear"),
        ({"AWS_ENDPOINT_URL": "http://localhost:9000"}, "warn", "for every AWS service"),
        ({"LAMBENT_ENDPOINT_URL": "localhost:9000"}, "missing", "is not a URL"),
        ({"AWS_ENDPOINT_URL_LAMBDA": "https://box"}, "ok", "https://box"),
    ],
)
def test_where_calls_would_go(tmp_path, aws_files, environ, status, said):
    found = aws_settings.look(machine(tmp_path, environ=environ))
    assert (found.status, said in found.said) == (status, True), found
    assert "SECRETLY" not in str(found)
    assert "pw" not in found.said


def test_a_probe_that_fails_is_said_and_mending_keeps_its_rules(tmp_path):
    def breaks(_):
        raise RuntimeError("no such register")

    found, _ = examine(Probe("x", breaks), machine(tmp_path))
    assert (found.status, found.why) == ("warn", "RuntimeError: no such register")

    done = []

    def look(_):
        return Finding("ok" if done else "missing", "it")

    def mend(_):
        done.append(1)
        return "mended it"

    safe, giving = Probe("x", look, mend), Probe("x", look, mend, needs_word="that gives it away")
    assert examine(safe, machine(tmp_path))[0].status == "missing"
    assert "needs root" in examine(safe, machine(tmp_path, is_root=False), fix=True)[1]
    assert "that gives it away" in examine(giving, machine(tmp_path), fix=True)[1]
    assert not done
    found, did = examine(giving, machine(tmp_path), fix=True, word_given=True)
    assert (found.status, did) == ("ok", "mended it")

    def cannot(_):
        raise OSError("not here")

    assert (
        examine(Probe("x", lambda _: Finding("warn", "it"), cannot), machine(tmp_path), fix=True)[1]
        == "not mended: not here"
    )


@pytest.mark.parametrize(("poll_ns", "status"), [("0", "warn"), ("200000", "ok")])
def test_idle_cpus_that_halt_at_once(tmp_path, monkeypatch, poll_ns, status):
    setting = tmp_path / "guest_halt_poll_ns"
    setting.write_text(poll_ns)
    monkeypatch.setattr(idle_cpus, "POLL_NS", setting)
    assert idle_cpus.look(machine(tmp_path)).status == status
    assert str(setting) in idle_cpus.look(machine(tmp_path, is_root=False)).fix or status == "ok"
    idle_cpus.mend(machine(tmp_path))
    assert idle_cpus.look(machine(tmp_path)).status == "ok"


def test_idle_cpus_where_the_kernel_has_no_such_setting(tmp_path, monkeypatch):
    monkeypatch.setattr(idle_cpus, "POLL_NS", tmp_path / "none")
    assert idle_cpus.look(machine(tmp_path)).status == "ok"


def test_companion_services_are_said(tmp_path):
    nobody = companions.look(machine(tmp_path))
    assert nobody.status == "ok"
    assert nobody.said.startswith("no AWS endpoint: roles, VPCs, keys and queues")
    somebody = companions.look(machine(tmp_path, environ={"AWS_ENDPOINT_URL_SQS": "http://q:1"}))
    assert somebody.said == (
        "what functions name is looked up at http://q:1; not iam, ec2, kms, sns, sts"
    )
