import json

import pytest


def exists(place, name: str) -> bool:
    return place.run("fn", "show", name).returncode == 0


@pytest.mark.slow  # a function of its own, and many processes
def test_piped_it_needs_a_yes(live, make) -> None:
    make("doomed")
    done = live.run("rm", "doomed")
    assert done.returncode == 3
    assert "error[NEEDS_YES] this would delete doomed" in done.stderr
    assert "-y" in done.stderr
    assert json.loads(live.run("rm", "doomed", "--json").stdout)["error"]["code"] == "NEEDS_YES"
    assert exists(live, "doomed")

    done = live.run("rm", "doomed", "-y")
    assert done.returncode == 0
    (facts,) = json.loads(done.stdout)["deleted"]
    assert set(facts) == {"function", "versions", "aliases", "role", "log_group"}
    assert (facts["versions"], facts["aliases"]) == (["1"], ["production"])
    assert "kept: the logs (/aws/lambda/doomed)" in done.stderr
    assert not exists(live, "doomed")


@pytest.mark.slow  # a function of its own, and many processes
def test_on_a_terminal_it_asks(live, make) -> None:
    folder = make("asked")
    no = live.on_terminal("rm", cwd=folder, keys="n\r", until="[y/N]")
    assert no.returncode == 1
    assert "asked  (1 version, alias production)" in no.text
    assert "nothing was deleted" in no.text
    interrupted = live.on_terminal("rm", "asked", keys="\x03", until="[y/N]")
    assert interrupted.returncode == 130
    assert "Traceback" not in interrupted.text
    assert exists(live, "asked")
    yes = live.on_terminal("fn", "rm", "asked", keys="y\r", until="[y/N]")
    assert yes.returncode == 0
    assert "deleted  asked" in yes.text
    assert not exists(live, "asked")


@pytest.mark.slow
def test_nothing_is_deleted_when_one_is_unknown(live, make) -> None:
    make("innocent")
    done = live.run("rm", "innocent", "nobody", "-y")
    assert done.returncode == 1
    assert "error[ResourceNotFoundException]" in done.stderr
    assert exists(live, "innocent")


def test_without_a_name_and_without_a_template(live) -> None:
    done = live.run("rm", "-y")
    assert done.returncode == 2
    assert "error[FUNCTION_MISSING]" in done.stderr
    assert "fix   lambent rm FUNCTION" in done.stderr
    assert live.run("fn", "rm").returncode == 2
