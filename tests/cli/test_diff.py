import json

import pytest


@pytest.mark.slow  # eight commands, each a process
def test_nothing_new_code_and_new_settings(live, make) -> None:
    folder = make("changing")

    def diff(*words: str) -> dict:
        done = live.run("diff", *words, cwd=folder)
        assert done.returncode == 0, done.stderr
        (facts,) = json.loads(done.stdout)["functions"]
        return facts

    same = diff()
    assert set(same) == {
        "function", "exists", "changes", "code", "configuration", "alias", "notes",
    }  # fmt: skip
    assert not same["changes"]
    assert same["code"]["before"] == same["code"]["after"]
    assert same["alias"] == {
        "name": "production", "before": "1", "after": "1", "weights": {"1": 1.0},
    }  # fmt: skip

    (folder / "handler.py").write_text("def handler(event, context):\n    return 2\n")
    (folder / "more.py").write_text("MORE = 1\n")
    code = diff()
    assert code["code"]["files"] == {"added": ["more.py"], "changed": ["handler.py"], "removed": []}
    assert code["configuration"] == []
    assert code["alias"]["after"] is None

    both = diff("--memory", "300", "-e", "TOKEN=swordfish")
    assert both["configuration"] == [
        {"field": "Environment.TOKEN", "before": None, "after": "(hidden)"},
        {"field": "MemorySize", "before": 512, "after": 300},
    ]
    shown = diff("-e", "TOKEN=swordfish", "--values")
    assert shown["configuration"][0]["after"] == "swordfish"

    deployed = json.loads(live.run("deploy", cwd=folder).stdout)["functions"][0]
    assert deployed["package"]["sha256"] == code["code"]["after"]
    assert not diff()["changes"]
    live.run("rollback", "changing")
    back = diff()  # a deploy would move the alias on again
    assert (back["changes"], back["alias"]["before"], back["alias"]["after"]) == (True, "1", "2")


@pytest.mark.slow
def test_a_function_that_is_not_there_yet(live) -> None:
    assert live.run("init", "unborn").returncode == 0
    folder = live.folder / "unborn"
    (facts,) = json.loads(live.run("diff", cwd=folder).stdout)["functions"]
    assert (facts["exists"], facts["changes"]) == (False, True)
    assert facts["code"]["files"]["added"] == ["handler.py"]
    assert live.run("fn", "show", "unborn").returncode == 1  # and is not there now


@pytest.mark.slow
def test_on_a_terminal(live) -> None:
    folder = live.folder / "live"
    screen = live.on_terminal("diff", cwd=folder)
    assert screen.returncode == 0
    assert "no changes; production is on 1" in screen.text
    screen = live.on_terminal("diff", "--timeout", "9", cwd=folder)
    assert "config   Timeout  10 → 9" in screen.text
    assert "alias    production  1 → a new version" in screen.text
    assert "lambent deploy" in screen.text


def test_without_a_template(live) -> None:
    done = live.run("diff")
    assert done.returncode == 2
    assert "error[TEMPLATE_MISSING]" in done.stderr
