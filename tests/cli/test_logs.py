import json
import subprocess
import sys
from pathlib import Path


def test_lines_as_ndjson(served) -> None:
    served.run("invoke", "hello", "-i", "mark=first")
    done = served.run("logs", "hello")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(set(line) == {"time", "stream", "message"} for line in lines)
    assert any("the event is {'mark': 'first'}" in line["message"] for line in lines)
    assert any(line["message"].startswith("REPORT RequestId:") for line in lines)


def test_the_function_of_the_project(served) -> None:
    served.run("invoke", "hello")
    assert served.run("logs", cwd=served.folder / "hello").stdout


def test_another_region_has_other_functions(served) -> None:
    done = served.run("logs", "hello", "--region", "eu-central-1")
    assert done.returncode == 1
    assert "error[FUNCTION_NOT_FOUND]" in done.stderr


def test_following_shows_what_comes(served) -> None:
    command = [str(Path(sys.executable).parent / "lambent"), "logs", "hello", "-f", "--since", "1s"]
    with subprocess.Popen(
        command, env=served.env, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            served.run("invoke", "hello", "-i", "mark=followed")
            for line in process.stdout:
                if "followed" in json.loads(line)["message"]:
                    break
            else:
                raise AssertionError("the line did not come")
        finally:
            process.terminate()
