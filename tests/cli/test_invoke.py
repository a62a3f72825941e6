import base64
import json
from pathlib import Path

import pytest

from lambent.cli.invoke import event
from lambent.delivery.problem import Problem


def value(data: str | None, *inputs: str) -> object:
    return json.loads(event(data, inputs))


def test_where_the_event_comes_from(tmp_path: Path) -> None:
    (tmp_path / "e.json").write_text('{"a": 1}')
    assert value(None) == {}
    assert value('{"a": 1}') == {"a": 1}
    assert value(f"@{tmp_path}/e.json") == {"a": 1}
    assert value("[1, 2]") == [1, 2]
    assert value(f"@{tmp_path}/e.json", "b=2") == {"a": 1, "b": 2}


def test_bytes_go_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "e.json").write_text('{ "a":  1.50 }')
    assert event(f"@{tmp_path}/e.json", ()) == b'{ "a":  1.50 }'


def test_inputs_are_json_where_they_read_so(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("text")
    (tmp_path / "b.bin").write_bytes(b"\xff\x00")
    found = value(None, "n=3", "f=1.5", "t=true", "s=word", "e=", "l=[1]", "x=a=b",
                  f"file={'@'}{tmp_path}/t.txt", f"image=@{tmp_path}/b.bin")  # fmt: skip
    assert found == {
        "n": 3, "f": 1.5, "t": True, "s": "word", "e": "", "l": [1], "x": "a=b",
        "file": "text", "image": base64.b64encode(b"\xff\x00").decode(),
    }  # fmt: skip


def test_bad_json_is_found_before_anything_is_sent() -> None:
    with pytest.raises(Problem) as caught:
        event("{'a': 1}", ())
    assert caught.value.exit_code == 2


@pytest.mark.slow
def test_the_shape_of_the_answer_is_stable(served) -> None:
    done = served.run("invoke", "hello", "-i", "a=1", "--qualifier", "production")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {
        "status", "executed_version", "request_id", "function_error", "payload", "report",
    }  # fmt: skip
    assert (found["payload"], found["executed_version"], found["status"]) == ({"a": 1}, "1", 200)
    assert set(found["report"]) == {
        "duration_ms", "billed_ms", "memory_mb", "used_mb", "init_ms", "restore_ms", "cost",
    }  # fmt: skip
    assert found["report"]["cost"].startswith("$0.0000")


def test_from_stdin_and_raw(served) -> None:
    done = served.run("invoke", "hello", "-d", "-", "--raw", stdin='{"b": 2}')
    assert json.loads(done.stdout) == {"b": 2}


@pytest.mark.slow
def test_a_function_that_fails_is_exit_code_5(served) -> None:
    done = served.run("invoke", "hello", "-i", "fail=broken")
    assert done.returncode == 5
    assert json.loads(done.stdout)["payload"]["errorMessage"] == "broken"
    assert "error[FUNCTION_FAILED] hello failed: ValueError: broken" in done.stderr
    assert "/var/task/handler.py" in done.stderr
    assert "fix   lambent logs hello" in done.stderr


def test_asynchronously(served) -> None:
    found = json.loads(served.run("invoke", "hello", "--async", "-i", "later=1").stdout)
    assert set(found) == {"status", "request_id"}
    assert found["status"] == 202


def test_an_unknown_function(served) -> None:
    done = served.run("invoke", "nobody")
    assert done.returncode == 1
    assert "error[ResourceNotFoundException] Function not found" in done.stderr
    assert "fix   lambent deploy" in done.stderr


@pytest.mark.slow
def test_a_stream_comes_part_by_part(served) -> None:
    done = served.run("invoke", "hello", "--stream", "-i", "a=1")
    assert done.returncode == 0, done.stderr
    chunk, end = [json.loads(line) for line in done.stdout.splitlines()]
    assert json.loads(chunk["chunk"]) == {"a": 1}
    assert (end["status"], end["function_error"]) == (200, None)
    assert end["report"]["billed_ms"] >= 1
    assert isinstance(end["report"]["billed_ms"], int)
    shown = served.on_terminal("invoke", "hello", "--stream", "-i", "a=1")
    assert '{"a": 1}' in shown.text
    assert "REPORT" in shown.text
    raw = served.run("invoke", "hello", "--stream", "--raw", "-i", "a=1")
    assert raw.stdout == '{"a": 1}'
