import json

import pytest

from lambent import settings
from lambent.errors import ConfigurationError

TEMPLATE = """\
Metadata:
  lambent:
    settings: {%s}
Resources:
  F: {Type: AWS::Serverless::Function, Properties: {Handler: a.b, Runtime: python3.13}}
"""


@pytest.fixture
def sources(tmp_path):
    user = tmp_path / "config.toml"
    user.write_text("port = 1\nidle_s = 1\nregion = 'u'\nlog_max_mb = 1\n")
    project = settings.ProjectFile("template.yaml", {"port": 2, "idle_s": 2, "region": "p"})
    return {"user_file": user, "project": project}


def test_each_source_wins_over_those_below_it(sources):
    environ = {"LAMBENT_PORT": "3", "LAMBENT_IDLE_S": "3"}
    loaded = settings.load_with_origins({"port": 4, "host": None}, environ=environ, **sources)
    found = {
        name: (getattr(loaded.settings, name), *loaded.origins[name])
        for name in ("port", "idle_s", "region", "log_max_mb", "account", "host")
    }
    assert found == {
        "port": (4, "flag", "--port"),
        "idle_s": (3.0, "environment", "LAMBENT_IDLE_S"),
        "region": ("p", "project", "template.yaml"),
        "log_max_mb": (1, "user", str(sources["user_file"])),
        "account": ("123456789012", "default", ""),
        "host": ("127.0.0.1", "default", ""),
    }
    assert set(loaded.origins) == set(settings.Settings.__struct_fields__)


@pytest.mark.parametrize(
    "name", sorted(set(settings.Settings.__struct_fields__) - settings.OF_PROJECT)
)
def test_a_project_cannot_decide_who_may_call_or_what_isolates(name):
    """A project is often other people's files; a setting is the owner's until it is listed."""
    project = settings.ProjectFile("template.yaml", {name: "x"})
    with pytest.raises(ConfigurationError) as caught:
        settings.load(environ={}, project=project)
    assert caught.value.code == "SETTING_NOT_OF_PROJECT"
    assert name in caught.value.fix


def test_show_says_where_each_value_came_from(place):
    config = place.folder / "home" / ".config" / "lambent"
    config.mkdir(parents=True)
    (config / "config.toml").write_text(
        'idle_s = 60\nauth = "sigv4"\n[auth_keys]\nAKIAONE = "very secret"\n'
    )
    (place.folder / "template.yaml").write_text(TEMPLATE % "drain_s: 5")
    done = place.run("config", "show", "--origin")
    assert done.returncode == 0, done.stderr
    assert "very secret" not in done.stdout
    shown = json.loads(done.stdout)["settings"]
    assert shown["auth_keys"]["value"].keys() == {"AKIAONE"}
    assert shown["idle_s"] == {
        "value": 60.0,
        "origin": "user",
        "where": str(config / "config.toml"),
    }
    assert shown["drain_s"] == {
        "value": 5.0,
        "origin": "project",
        "where": str(place.folder / "template.yaml"),
    }
    assert shown["port"] == {"value": place.port, "origin": "environment", "where": "LAMBENT_PORT"}
    assert shown["account"]["origin"] == "default"
    assert json.loads(place.run("config").stdout)["settings"] == shown
    one = json.loads(place.run("config", "show", "LAMBENT_PORT").stdout)["settings"]
    assert one == {"port": shown["port"]}


@pytest.mark.slow
def test_the_server_has_what_the_project_says(place):
    """`config show` would lie if `up` did not read the same."""
    (place.folder / "template.yaml").write_text(TEMPLATE % "region: eu-north-1")
    assert place.run("up", "-d").returncode == 0
    asked = place.run("config", "show", "region", "--json").stdout
    assert json.loads(asked)["settings"]["region"]["value"] == "eu-north-1"
    pid = json.loads(place.run("status").stdout)["pid"]
    from pathlib import Path

    environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert b"LAMBENT_REGION=eu-north-1" in environ


def test_what_cannot_be_is_said_with_its_fix(place):
    done = place.run("config", "show", "prot")
    assert done.returncode == 2
    assert "error[SETTING_UNKNOWN] there is no setting 'prot'" in done.stderr
    assert "lambent config show port" in done.stderr
    (place.folder / "template.yaml").write_text(TEMPLATE % "sandbox: process")
    for words in (("config", "show"), ("up", "-d")):
        done = place.run(*words)
        assert done.returncode == 2
        assert "error[SETTING_NOT_OF_PROJECT]" in done.stderr
    (place.folder / "template.yaml").write_text("Metadata: {lambent: {settings: [1]}}\n")
    assert "error[TEMPLATE_INVALID]" in place.run("config", "show").stderr
