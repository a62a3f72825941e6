import json

import pytest


def test_ls_and_show_have_stable_shapes(live) -> None:
    found = json.loads(live.run("fn", "ls").stdout)["functions"]
    (facts,) = [facts for facts in found if facts["function"] == "live"]
    assert set(facts) == {
        "function", "runtime", "handler", "memory_mb", "timeout_s", "architecture", "code_bytes",
        "last_modified", "description",
    }  # fmt: skip
    shown = json.loads(live.run("fn", "show", "live").stdout)
    assert set(facts) < set(shown)
    assert shown["aliases"] == [
        {"name": "production", "version": "1", "weights": {"1": 1.0}, "description": ""}
    ]
    assert [version["version"] for version in shown["versions"]] == ["1"]
    assert (shown["state"], shown["log_group"]) == ("Active", "/aws/lambda/live")


@pytest.mark.slow  # a function of its own
def test_variables_are_named_and_not_shown(live, make) -> None:
    folder = make("secretive")
    live.run("deploy", "-e", "TOKEN=swordfish", cwd=folder)
    done = live.run("fn", "show", "secretive")
    assert json.loads(done.stdout)["environment"] == ["TOKEN"]
    assert "swordfish" not in done.stdout


@pytest.mark.slow
def test_on_a_terminal(live) -> None:
    screen = live.on_terminal("fn", "ls")
    assert screen.returncode == 0
    assert "FUNCTION" in screen.text
    assert "lambent fn show" in screen.text
    assert "\x1b[" in screen.coloured
    plain = live.on_terminal("fn", "ls", "-q", "--no-color")
    assert "\x1b[" not in plain.coloured
    assert "next" not in plain.text
    assert "alias    production → 1" in live.on_terminal("fn", "show", "live").text


def test_an_empty_account_is_told_what_to_do(live) -> None:
    screen = live.on_terminal("fn", "ls", "--region", "eu-west-3")
    assert screen.returncode == 0
    assert "there is no function yet" in screen.text
    assert "lambent init NAME" in screen.text


def test_unknown_names_and_verbs(live) -> None:
    done = live.run("fn", "show", "nobody")
    assert done.returncode == 1
    assert "error[ResourceNotFoundException]" in done.stderr
    assert "fix   lambent deploy" in done.stderr
    wrong = live.run("fn", "shwo", "live")
    assert wrong.returncode == 2
    assert "error[UNKNOWN_VERB] there is no verb 'fn shwo'" in wrong.stderr
    assert "fix   lambent fn show" in wrong.stderr
    bare = live.run("fn")
    assert bare.returncode == 2
    assert "lambent fn" in bare.stdout
    assert "show" in bare.stdout
    assert json.loads(live.run("fn", "--json", "ls").stdout)["functions"]
