"""Errors of a handler: document, log event, and an environment that stays usable."""

from __future__ import annotations

import pytest

from lambent.runtimes import frames

REQUEST = "11111111-2222-3333-4444-555555555555"


def test_document_and_log(start, runtime):
    source = (
        "def handler(event, context):\n    inner()\ndef inner():\n    raise ValueError('bööm')\n"
    )
    process = start(source, runtime).ready()
    assert process.fail({}) == {
        "errorMessage": "bööm",
        "errorType": "ValueError",
        "requestId": REQUEST,
        "stackTrace": [
            '  File "/var/task/app.py", line 2, in handler\n    inner()\n',
            "  File \"/var/task/app.py\", line 4, in inner\n    raise ValueError('bööm')\n",
        ],
    }
    assert process.events() == [
        (
            "[ERROR] ValueError: bööm\nTraceback (most recent call last):\n"
            '\xa0\xa0File "/var/task/app.py", line 2, in handler\n\xa0\xa0\xa0\xa0inner()\n'
            '\xa0\xa0File "/var/task/app.py", line 4, in inner\n'
            "\xa0\xa0\xa0\xa0raise ValueError('bööm')"
        )
    ]


@pytest.mark.parametrize(
    ("run", "kind", "message"),
    [
        ("raise Outer.Inner('x')", "Inner", "x"),
        ("raise KeyError('k')", "KeyError", "'k'"),
        ("raise ValueError()", "ValueError", ""),
        ("raise ValueError('a\\nb')", "ValueError", "a\nb"),
        ("raise Strange()", "Strange", "<exception str() failed>"),
        ("exec('a b c')", "SyntaxError", "invalid syntax (<string>, line 1)"),
    ],
)
def test_names_and_messages(evaluator, run, kind, message):
    document = evaluator.fail({"run": run})
    assert document["errorType"] == kind
    assert document["errorMessage"] == message
    assert evaluator.events()[0].startswith(f"[ERROR] {kind}")
    assert evaluator.invoke({"do": "1"}) == 1


def test_a_lone_surrogate_in_a_message_stays_an_escape(evaluator):
    kind, body = evaluator.call({"run": "raise ValueError('\\ud800')"})
    assert kind == frames.ERROR
    assert body.startswith(b'{"errorMessage": "\\ud800", "errorType": "ValueError"')
    assert evaluator.events()[0].startswith("[ERROR] ValueError: \\ud800\n")


def test_a_cause_does_not_hide_the_error(evaluator):
    run = "try:\n    1/0\nexcept Exception as e:\n    raise ValueError('two') from e"
    document = evaluator.fail({"run": run})
    assert (document["errorType"], document["errorMessage"]) == ("ValueError", "two")


def test_recursion_is_folded(evaluator):
    document = evaluator.fail({"run": "def f(): return f()\nf()"})
    assert document["errorType"] == "RecursionError"
    assert "Previous line repeated" in document["stackTrace"][-1]
    assert evaluator.invoke({"do": "1"}) == 1


@pytest.mark.parametrize(
    ("do", "message"),
    [
        ("{1, 2}", "Object of type set is not JSON serializable"),
        ("Plain()", "Object of type Plain is not JSON serializable"),
        ("{'a': [Plain()]}", "Object of type Plain is not JSON serializable"),
        ("map(str, [1])", "Object of type map is not JSON serializable"),
        ("bytearray(b'x')", "Object of type bytearray is not JSON serializable"),
        ("{(1, 2): 3}", "keys must be str, int, float, bool or None, not tuple"),
        ("{'a': b'\\xff'}",
         "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
    ],
)  # fmt: skip
def test_what_cannot_be_marshalled(evaluator, do, message):
    document = evaluator.fail({"do": do})
    assert document == {
        "errorMessage": f"Unable to marshal response: {message}",
        "errorType": "Runtime.MarshalError",
        "requestId": REQUEST,
        "stackTrace": [],
    }
    assert evaluator.invoke({"do": "[1]"}) == [1]


def test_a_lone_surrogate_in_a_response(evaluator, runtime):
    """ASCII can say it, UTF-8 cannot (there AWS's client dies of it; ours names it)."""
    kind, body = evaluator.call({"do": "'\\ud800'"})
    if int(runtime.rpartition(".")[2]) < 12:
        assert (kind, body) == (frames.RESPONSE, b'"\\ud800"')
    else:
        assert kind == frames.ERROR
        assert b'"errorType": "Runtime.MarshalError"' in body
        assert b"surrogates not allowed" in body
    assert evaluator.invoke({"do": "[1]"}) == [1]


def test_circular_values(evaluator):
    for run in ("result = []; result.append(result)", "result = {}; result['a'] = {'b': result}"):
        document = evaluator.fail({"run": run})
        assert document["errorMessage"] == "Unable to marshal response: Circular reference detected"
    assert evaluator.invoke({"do": "[[]]"}) == [[]]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"{bad", "Unable to unmarshal input: Expecting property name enclosed in double quotes"),
        (b"[1] 2", "Unable to unmarshal input: Extra data: line 1 column 5 (char 4)"),
        (b"nope", "Unable to unmarshal input: Expecting value: line 1 column 1 (char 0)"),
        (b"[NaN]", "Unable to unmarshal input: Expecting value: line 1 column 2 (char 1)"),
        (b'"\xff"', "Unable to unmarshal input: 'utf-8' codec can't decode byte 0xff"),
    ],
)
def test_what_cannot_be_unmarshalled(evaluator, raw, message):
    document = evaluator.fail(raw=raw)
    assert document["errorType"] == "Runtime.UnmarshalError"
    assert document["errorMessage"].startswith(message)
    assert document["stackTrace"] == []


def test_response_size(start, runtime):
    process = start("def handler(event, context):\n    return 'x' * event\n", runtime).ready()
    limit = 6291556
    assert process.call(limit - 2) == (frames.RESPONSE, b'"' + b"x" * (limit - 2) + b'"')
    assert process.fail(limit - 1) == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size exceeded maximum allowed payload size "
        "(6291556 bytes).",
    }
    assert process.invoke(3) == "xxx"


@pytest.mark.parametrize(
    ("run", "status"), [("sys.exit(3)", 3), ("exit(5)", 5), ("os._exit(7)", 7), ("sys.exit()", 0)]
)
def test_exit_in_a_handler_ends_the_process_without_an_answer(start, run, status):
    process = start(
        f"import os, sys\ndef handler(event, context):\n    print('bye', flush=True)\n    {run}\n"
    ).ready()
    process.send(b"{}")
    assert process.receive() is None
    assert process.exit() == status
    assert process.events() == ["bye"]


def test_keyboard_interrupt_ends_the_process(start):
    process = start("def handler(event, context):\n    raise KeyboardInterrupt\n").ready()
    process.send(b"{}")
    assert process.receive() is None
    assert process.exit() != 0
    assert any("KeyboardInterrupt" in event for event in process.events())


def test_json_log_of_an_error(start, runtime):
    source = "def handler(event, context):\n    raise ValueError('bööm')\n"
    process = start(source, runtime, log_format="JSON").ready()
    document = process.fail({})
    (event,) = process.events()
    import json

    line = json.loads(event)
    assert list(line) == [
        "timestamp", "level", "errorMessage", "errorType", "requestId", "stackTrace",
    ]  # fmt: skip
    assert line["level"] == "ERROR"
    assert {name: line[name] for name in document} == document
    assert line["timestamp"].endswith("Z")
