"""Finding Node.js and Ruby, and laying them out for sandboxes."""

from __future__ import annotations

from pathlib import Path

from lambent.runtimes import presence, program_dirs, programs


def program(path: Path, said: str, status: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{said}'\nexit {status}\n")
    path.chmod(0o755)
    return path


def test_node_on_path_whatever_its_version_s_place(tmp_path):
    program(tmp_path / "a" / "node", "v20.1.0")
    program(tmp_path / "b" / "node", "v22.3.4")
    environ = {"PATH": f"{tmp_path / 'a'}:{tmp_path / 'b'}", "HOME": str(tmp_path)}
    assert programs.find_node("nodejs22.x", environ) == programs.Program(
        tmp_path / "b" / "node", "22.3.4"
    )
    assert programs.find_node("nodejs20.x", environ).executable == tmp_path / "a" / "node"
    assert programs.find_node("nodejs99.x", environ) is None


def test_version_managers_newest_patch_first(tmp_path):
    for version in ("v77.9.0", "v77.10.0", "v76.0.0"):
        program(tmp_path / ".nvm/versions/node" / version / "bin/node", version)
    environ = {"HOME": str(tmp_path), "PATH": ""}
    assert programs.find_node("nodejs77.x", environ).version == "77.10.0"
    program(tmp_path / "volta/tools/image/node/75.2.0/bin/node", "v75.2.0")
    environ["VOLTA_HOME"] = str(tmp_path / "volta")
    assert programs.find_node("nodejs75.x", environ).version == "75.2.0"


def test_what_does_not_run_or_says_nonsense_is_passed_over(tmp_path):
    program(tmp_path / "a" / "node", "v77.1.0", status=1)
    program(tmp_path / "b" / "node", "nonsense")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "node").write_text("not executable")
    folders = ":".join(str(tmp_path / name) for name in "abc")
    assert programs.find_node("nodejs77.x", {"PATH": folders, "HOME": str(tmp_path)}) is None


def test_other_names_are_no_runtimes():
    for name in ("node22", "nodejs22", "nodejs.x", "ruby2.7", "ruby3.", "provided.al2023"):
        assert programs.find_node(name) is None
        assert programs.find_ruby(name) is None


def test_a_ruby_outside_usr_is_none_that_a_sandbox_could_show(tmp_path):
    program(tmp_path / "ruby", "ruby 3.3.1 (2024-04-23) [x86_64-linux]")
    found = programs.find_ruby("ruby3.3", {"PATH": str(tmp_path)})
    assert found is None or found.executable.is_relative_to("/usr")


def test_advice_for_each_family():
    for runtime, advice in {
        "python3.14": "uv python install 3.14",
        "nodejs24.x": "nvm install 24",
        "ruby3.4": "apt-get install ruby",
        "java21": "docs/runtimes.md",
        "dotnet8": "dotnet8 can be run as provided.al2023",
    }.items():
        assert advice in presence.how_to_install(runtime)


def test_presence_asks_each_family(tmp_path):
    program(tmp_path / "node", "v22.3.4")
    environ = {"PATH": str(tmp_path), "HOME": str(tmp_path), "PYENV_ROOT": str(tmp_path)}
    assert presence.version("nodejs22.x", environ) == "22.3.4"
    assert presence.version("java21", environ) is None
    assert presence.version("python3.77", environ) is None


def test_folders_are_made_once_and_follow_what_they_are_made_of(tmp_path):
    found = programs.Program(program(tmp_path / "node", "v22.3.4"), "22.3.4")
    store = tmp_path / "store"
    first = program_dirs.lang_dir(found, "node", store)
    assert (first / "bin" / "node").read_bytes() == found.executable.read_bytes()
    assert program_dirs.lang_dir(found, "node", store) == first
    program(tmp_path / "node", "v22.3.5 ")
    assert program_dirs.lang_dir(found, "node", store) != first


def test_the_owner_s_node_modules_stand_beside_the_runtime(tmp_path):
    modules = tmp_path / "node_modules"
    (modules / "@aws-sdk" / "client-s3").mkdir(parents=True)
    (modules / "@aws-sdk" / "client-s3" / "index.js").write_text("module.exports = 1")
    (modules / "link").symlink_to("@aws-sdk/client-s3")
    bare = program_dirs.runtime_dir("node", tmp_path / "store")
    assert (bare / "bootstrap.cjs").is_file()
    assert not (bare / "node_modules").exists()
    made = program_dirs.runtime_dir("node", tmp_path / "store", modules)
    assert (made / "node_modules/link/index.js").read_text() == "module.exports = 1"
    assert (made / "node_modules/link").is_symlink()
    (modules / "more.js").write_text("")
    assert program_dirs.runtime_dir("node", tmp_path / "store", modules) != made
