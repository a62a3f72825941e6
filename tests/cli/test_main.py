import json
import re
import subprocess
import sys

import pytest

from lambent.cli.options import global_flags
from lambent.cli.verbs import FLAGS, VERBS, help_text


def test_help_lists_every_verb_and_imports_nothing_heavy(place) -> None:
    done = place.run("--help")
    assert done.returncode == 0
    assert all(re.search(rf"^  {verb} ", done.stdout, re.MULTILINE) for verb in VERBS)
    script = (
        "import sys\nfrom lambent.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'click', 'boto3', 'botocore', 'rich', 'yaml', 'msgspec', 'asyncio', 'lambent.settings'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, timeout=60)


def test_the_help_text_and_the_flags_agree() -> None:
    named = {re.split(r"[ ,]", name)[0] for name in FLAGS} | {
        word for name in FLAGS for word in re.findall(r"--[a-z-]+", name)
    }
    taken = {option for flag in global_flags(hidden=False) for option in flag.opts}
    assert taken | {"-h", "--help"} == named
    assert "Usage: lambent" in help_text()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(place, verb: str) -> None:
    done = place.run(verb, "--help")
    assert done.returncode == 0, done.stderr
    assert f"lambent {verb}" in done.stdout


def test_nothing_at_all_is_a_usage_error(place) -> None:
    done = place.run()
    assert done.returncode == 2
    assert "Usage: lambent" in done.stdout


def test_a_wrong_verb_names_the_near_one(place) -> None:
    done = place.run("deplyo")
    assert done.returncode == 2
    assert done.stderr == (
        "error[UNKNOWN_VERB] there is no verb 'deplyo'\n"
        "  fix   lambent deploy\n"
        "  doc   docs/errors.md#unknown_verb\n"
    )


@pytest.mark.parametrize("words", [("--json", "deplyo"), ("deplyo", "--json")])
def test_json_errors_are_one_object_on_stdout(place, words: tuple[str, ...]) -> None:
    done = place.run(*words)
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "UNKNOWN_VERB"


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        (("up", "--prot", "1"), "USAGE", 2),
        (("up", "--port", "x"), "USAGE", 2),
        (("up", "--port", "70000000"), "USAGE", 2),
        (("up", "--host", "localhost", "--port", "1", "--data-dir", "/proc/none"), "FILE", 1),
        (("invoke",), "USAGE", 2),
        (("invoke", "f", "-d", "{"), "EVENT_INVALID", 2),
        (("invoke", "f", "-d", "@nothing.json"), "FILE", 2),
        (("invoke", "f", "-i", "novalue"), "INPUT_INVALID", 2),
        (("invoke", "f", "-d", "[1]", "-i", "a=1"), "EVENT_INVALID", 2),
        (("logs",), "FUNCTION_MISSING", 2),
        (("logs", "f", "--since", "yesterday"), "SINCE_INVALID", 2),
        (("deploy",), "TEMPLATE_MISSING", 2),
        (("deploy", "-t", "nothing.yaml"), "FILE", 2),
        (("init", "a b"), "NAME_INVALID", 2),
        (("invoke", "f", "--profile", "nobody"), "PROFILE_NOT_FOUND", 1),
        (("invoke", "f"), "SERVER_UNREACHABLE", 1),
        (("logs", "f"), "SERVER_UNREACHABLE", 1),
    ],
)
def test_errors_have_a_code_a_fix_and_an_exit_code(
    place, words: tuple[str, ...], code: str, exit_code: int
) -> None:
    done = place.run("--endpoint-url", f"http://127.0.0.1:{place.port}", *words)
    assert f"error[{code}]" in done.stderr, done.stderr + done.stdout
    assert "\n  fix   " in done.stderr
    assert f"\n  doc   docs/errors.md#{code.lower()}" in done.stderr
    assert done.returncode == exit_code
    assert "Traceback" not in done.stderr


def test_debug_shows_where(place) -> None:
    done = place.run("invoke", "f", "-d", "{", "--debug")
    assert "Traceback" in done.stderr


def test_a_setting_that_cannot_be_honoured(place) -> None:
    done = place.run("up", LAMBENT_PORT="many")
    assert done.returncode == 2
    assert "error[SETTING_INVALID] setting 'port' from LAMBENT_PORT" in done.stderr


@pytest.mark.slow
def test_version_and_env(place) -> None:
    assert set(json.loads(place.run("version").stdout)) == {"version", "python"}
    url = "http://127.0.0.1:4566"
    exports = place.run("env", "--endpoint-url", url).stdout
    assert f"export AWS_ENDPOINT_URL_LAMBDA={url}\n" in exports
    assert "export AWS_ACCESS_KEY_ID=lambent\n" in exports
    facts = json.loads(place.run("env", "--json", "--endpoint-url", url).stdout)
    assert facts["LAMBENT_ENDPOINT_URL"] == url
    own = place.run("env", "--endpoint-url", url, AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    assert "AWS_ACCESS_KEY_ID" not in own.stdout


def test_aws_itself_must_be_asked_for(place) -> None:
    from lambent.cli.options import Options

    assert Options(aws=True).target().is_aws
    assert Options(endpoint_url="aws").target().is_aws
    assert Options(endpoint_url="http://127.0.0.1:1/").target().endpoint_url == "http://127.0.0.1:1"
