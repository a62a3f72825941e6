import json

import pytest


@pytest.fixture(scope="module")
def three(live):
    """A function with three versions."""
    assert live.run("init", "three").returncode == 0
    folder = live.folder / "three"
    for number in (1, 2, 3):
        (folder / "handler.py").write_text(f"def handler(event, context):\n    return {number}\n")
        assert live.run("deploy", cwd=folder).returncode == 0
    return folder


def served(live) -> int:
    answer = live.run("invoke", "three", "--qualifier", "production")
    return json.loads(answer.stdout)["payload"]


@pytest.mark.slow  # seven commands, each a process
def test_to_the_version_before_then_to_one_that_is_named(live, three) -> None:
    facts = json.loads(live.run("rollback", cwd=three).stdout)
    assert facts == {
        "function": "three", "alias": "production", "from": "3", "to": "2",
        "weights_before": {"3": 1.0}, "weights": {"2": 1.0}, "changed": True,
    }  # fmt: skip
    assert served(live) == 2
    screen = live.on_terminal("rollback", "three")
    assert "three:production  2 → 1" in screen.text
    assert "lambent rollback three --to 2" in screen.text
    oldest = live.run("rollback", "three")
    assert oldest.returncode == 1
    assert "error[NOTHING_TO_ROLL_BACK] three has no version before 1" in oldest.stderr
    assert json.loads(live.run("rollback", "three", "--to", "3").stdout)["to"] == "3"
    assert not json.loads(live.run("rollback", "three", "--to", "3").stdout)["changed"]
    assert served(live) == 3


@pytest.mark.slow
def test_a_canary_is_ended(live, three) -> None:
    live.run("alias", "set", "three", "canary", "1", "--weight", "3=10")
    facts = json.loads(live.run("rollback", "three", "--alias", "canary").stdout)
    assert (facts["from"], facts["to"]) == ("1", "1")
    assert facts["weights_before"] == {"1": 0.9, "3": 0.1}
    assert facts["weights"] == {"1": 1.0}
    assert facts["changed"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "fix", "exit_code"),
    [
        (("three", "--to", "9"), "VERSION_NOT_FOUND", "--to 3", 1),
        (("three", "--alias", "x"), "ALIAS_NOT_FOUND", "lambent alias ls three", 1),
        (("nobody",), "ResourceNotFoundException", "lambent deploy", 1),
        ((), "FUNCTION_MISSING", "lambent rollback FUNCTION", 2),
    ],
)
def test_what_is_wrong_is_said(live, three, words, code, fix, exit_code) -> None:
    done = live.run("rollback", *words)
    assert done.returncode == exit_code
    assert f"error[{code}]" in done.stderr
    assert f"fix   {fix}" in done.stderr
