"""`lambent deploy --target aws --dry-run` without an account, a region or a network."""

import json
import zipfile

import pytest

NOWHERE = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nowhere"}


@pytest.mark.slow
def test_commands_with_placeholders_and_a_zip(place) -> None:
    assert place.run("init", "one").returncode == 0
    folder = place.folder / "one"
    words = ["deploy", "--target", "aws", "--dry-run", "--json", "--write", "out"]
    done = place.run(*words, cwd=folder, **NOWHERE)
    assert done.returncode == 0, done.stdout + done.stderr
    facts = json.loads(done.stdout)
    assert (facts["account"], facts["region"]) == ("<ACCOUNT>", "<REGION>")
    assert "<ACCOUNT>" in done.stderr
    assert "<REGION>" in done.stderr
    ((_, commands),) = [
        one.values() for one in facts["functions"][0]["steps"] if one["title"] == "package"
    ]
    assert "out/one.zip" in commands[1]
    with zipfile.ZipFile(folder / "out/one.zip") as archive:
        assert "handler.py" in archive.namelist()
    told = place.run(
        "deploy", "--aws", "--dry-run", "--region", "eu-north-1", cwd=folder, **NOWHERE
    )
    assert "eu-north-1" in told.stdout
    assert "<REGION>" not in told.stdout + told.stderr


def test_a_server_of_ones_own_has_no_such_commands(place) -> None:
    assert place.run("init", "one").returncode == 0
    done = place.run("deploy", "--dry-run", cwd=place.folder / "one")
    assert done.returncode == 2
    assert "lambent diff" in done.stderr
