import json

import pytest


@pytest.mark.slow  # eight commands, each a process
def test_set_makes_moves_and_splits(live, make) -> None:
    folder = make("split")
    (folder / "handler.py").write_text("def handler(event, context):\n    return 2\n")
    live.run("deploy", cwd=folder)

    made = json.loads(live.run("alias", "set", "split", "beta", "1", "--description", "try").stdout)
    assert made == {
        "function": "split", "name": "beta", "version": "1", "weights": {"1": 1.0},
        "description": "try", "created": True, "before": None,
    }  # fmt: skip
    assert json.loads(live.run("invoke", "split", "--qualifier", "beta").stdout)["payload"] == 1

    done = json.loads(live.run("alias", "set", "split", "beta", "--weight", "2=25%").stdout)
    assert (done["version"], done["weights"]) == ("1", {"1": 0.75, "2": 0.25})
    moved = json.loads(live.run("alias", "set", "split", "beta", "2").stdout)
    assert moved["weights"] == {"2": 1.0}
    assert moved["before"]["weights"] == {"1": 0.75, "2": 0.25}
    assert moved["description"] == "try"

    listed = json.loads(live.run("alias", "ls", "split").stdout)
    assert [alias["name"] for alias in listed["aliases"]] == ["beta", "production"]


@pytest.mark.slow
def test_on_a_terminal(live) -> None:
    screen = live.on_terminal("alias", "ls", "live")
    assert screen.returncode == 0
    assert "production  1" in screen.text


@pytest.mark.slow
def test_what_is_wrong_is_said(live) -> None:
    done = live.run("alias", "set", "live", "nobody")
    assert done.returncode == 1
    assert "error[ALIAS_NOT_FOUND]" in done.stderr
    assert "fix   lambent alias set live nobody VERSION" in done.stderr
    for weight in ("2", "2=many", "2=101", "=5"):
        wrong = live.run("alias", "set", "live", "production", "--weight", weight)
        assert wrong.returncode == 2, weight
        assert "error[USAGE]" in wrong.stderr
    assert live.run("alias", "set", "live", "production", "99").returncode == 1
    unknown = live.run("alias", "ls", "nobody")
    assert unknown.returncode == 1
    assert "error[ResourceNotFoundException]" in unknown.stderr
    assert json.loads(live.run("alias", "ls", "live").stdout)["aliases"][0]["version"] == "1"
