import io
import json
import zipfile

import pytest


@pytest.mark.slow
def test_a_folder_is_published_listed_shown_and_deleted(live) -> None:
    folder = live.folder / "shared"
    (folder / "python").mkdir(parents=True)
    (folder / "python" / "common.py").write_text("NAME = 'common'\n")
    (folder / "bin").mkdir()
    (folder / "bin" / "tool").write_text("#!/bin/sh\n")
    (folder / "bin" / "tool").chmod(0o755)
    built = json.loads(live.run("layer", "build", "shared", "-o", "shared.zip").stdout)
    with zipfile.ZipFile(live.folder / "shared.zip") as made:
        assert made.namelist() == ["bin/tool", "python/common.py"]
        assert made.getinfo("bin/tool").external_attr >> 16 & 0o111
    again = json.loads(live.run("layer", "build", "shared", "-o", "again.zip").stdout)
    assert again["code_sha256"] == built["code_sha256"]
    done = live.run("layer", "publish", "shared", "shared", "--description", "for all")
    assert done.returncode == 0, done.stderr
    published = json.loads(done.stdout)
    assert (published["layer"], published["version"]) == ("shared", 1)
    assert published["code_sha256"] == built["code_sha256"]
    second = json.loads(live.run("layer", "publish", "shared", "shared.zip").stdout)
    assert second["version"] == 2
    listed = json.loads(live.run("layer", "ls", "shared").stdout)["layers"]
    assert [one["version"] for one in listed] == [2, 1]
    (newest,) = [
        one
        for one in json.loads(live.run("layer", "ls").stdout)["layers"]
        if one["layer"] == "shared"
    ]
    assert newest["version"] == 2
    assert json.loads(live.run("layer", "show", "shared:1").stdout)["description"] == "for all"
    assert "shared:2" in live.on_terminal("layer", "show", "shared").text
    asked = live.run("layer", "rm", "shared")
    assert asked.returncode == 3
    assert "this would delete shared:2, shared:1" in asked.stderr
    gone = json.loads(live.run("layer", "rm", "shared", "-y").stdout)["deleted"]
    assert [one["version"] for one in gone] == [2, 1]
    missing = live.run("layer", "show", "shared")
    assert missing.returncode == 1
    assert "error[LAYER_UNKNOWN] there is no layer shared" in missing.stderr


@pytest.mark.slow  # installs a package from the registry
def test_requirements_become_a_layer(live, tmp_path) -> None:
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("six==1.17.0\n")
    done = live.run("layer", "build", str(wanted), "-o", str(tmp_path / "six.zip"))
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(io.BytesIO((tmp_path / "six.zip").read_bytes())) as made:
        assert "python/six.py" in made.namelist()
    facts = json.loads(live.run("layer", "publish", "six", str(wanted)).stdout)
    assert facts["architectures"] == ["x86_64"]
    assert facts["runtimes"][0].startswith("python3.")
    live.run("layer", "rm", "six", "-y")


def test_what_cannot_be_a_layer(live, tmp_path) -> None:
    none = live.run("layer", "build", str(tmp_path / "nowhere.txt"))
    assert none.returncode == 2
    assert "error[FILE]" in none.stderr
    wanted = tmp_path / "requirements.txt"
    wanted.write_text("six\n")
    node = live.run("layer", "build", str(wanted), "--runtime", "nodejs22.x")
    assert node.returncode == 2
    assert "error[LAYER_RUNTIME]" in node.stderr
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "thing.py").write_text("")
    odd = live.run("layer", "build", str(tmp_path / "odd"), "-o", str(tmp_path / "odd.zip"))
    assert "nothing in it is where runtimes look" in odd.stderr
