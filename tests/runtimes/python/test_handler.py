"""Handler names and every way in which Init fails, on every interpreter."""

from __future__ import annotations

import pytest

from lambent.runtimes import frames

ECHO = "def handler(event, context):\n    return [__name__, event]\n"


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("app.handler", "app"),
        ("pkg.mod.handler", "pkg.mod"),
        ("pkg/mod.handler", "pkg.mod"),
        ("pkg/deep/er.handler", "pkg.deep.er"),
    ],
)
def test_resolved(start, name, module):
    files = {"app.py": ECHO, "pkg/mod.py": ECHO, "pkg/deep/er.py": ECHO}
    assert start(files, handler=name).ready().invoke(1) == [module, 1]


def test_any_callable_will_do(start):
    source = "class C:\n    def __call__(self, event, context):\n        return 'called'\nhandler = C()\n"
    assert start(source).ready().invoke() == "called"


FAILURES = [
    ("nodot", {}, "Runtime.MalformedHandlerName",
     "Bad handler 'nodot': not enough values to unpack (expected 2, got 1)"),
    ("", {}, "Runtime.MalformedHandlerName",
     "Bad handler '': not enough values to unpack (expected 2, got 1)"),
    ("nomod.handler", {}, "Runtime.ImportModuleError",
     "Unable to import module 'nomod': No module named 'nomod'"),
    ("pkg.mod.handler", {}, "Runtime.ImportModuleError",
     "Unable to import module 'pkg.mod': No module named 'pkg'"),
    ("app.handler", {"app.py": "import nothere"}, "Runtime.ImportModuleError",
     "Unable to import module 'app': No module named 'nothere'"),
    ("app.absent", {"app.py": ECHO}, "Runtime.HandlerNotFound",
     "Handler 'absent' missing on module 'app'"),
    ("app.", {"app.py": ECHO}, "Runtime.HandlerNotFound", "Handler '' missing on module 'app'"),
    ("sys.exit", {}, "Runtime.BuiltInModuleConflict",
     "Cannot use built-in module sys as a handler module"),
    ("/app.handler", {"app.py": ECHO}, "TypeError",
     "the 'package' argument is required to perform a relative import for '.app'"),
    (".handler", {}, "ValueError", "Empty module name"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "files", "kind", "message"), FAILURES)
def test_named_failures(start, name, files, kind, message):
    process = start(files or {"other.py": ""}, handler=name)
    assert process.init_error() == {
        "errorMessage": message, "errorType": kind, "requestId": "", "stackTrace": [],
    }  # fmt: skip
    assert process.events() == [f"[ERROR] {kind}: {message}\nTraceback (most recent call last):"]


def test_exception_in_init(start, runtime):
    source = "def f():\n    raise ValueError('in init')\nf()\n"
    process = start(source, runtime)
    assert process.init_error() == {
        "errorMessage": "in init",
        "errorType": "ValueError",
        "requestId": "",
        "stackTrace": [
            '  File "/var/task/app.py", line 3, in <module>\n    f()\n',
            "  File \"/var/task/app.py\", line 2, in f\n    raise ValueError('in init')\n",
        ],
    }
    assert process.events() == [
        (
            "[ERROR] ValueError: in init\nTraceback (most recent call last):\n"
            '\xa0\xa0File "/var/task/app.py", line 3, in <module>\n\xa0\xa0\xa0\xa0f()\n'
            '\xa0\xa0File "/var/task/app.py", line 2, in f\n'
            "\xa0\xa0\xa0\xa0raise ValueError('in init')"
        )
    ]


def test_exception_in_a_module_that_the_handler_s_imports(start, runtime):
    files = {"app.py": "import other\n", "other.py": "1/0\n"}
    document = start(files, runtime).init_error()
    assert [entry.split("\n")[0] for entry in document["stackTrace"]] == [
        '  File "/var/task/app.py", line 1, in <module>',
        '  File "/var/task/other.py", line 1, in <module>',
    ]


def test_syntax_error(start, runtime):
    document = start(
        "def handler(event, context):\n    return (\n\nx = = 1\n", runtime
    ).init_error()
    assert document["errorType"] == "Runtime.UserCodeSyntaxError"
    assert document["errorMessage"].startswith("Syntax error in module 'app': ")
    assert "(app.py, line " in document["errorMessage"]
    assert len(document["stackTrace"]) == 1
    first, second = document["stackTrace"][0].rstrip("\n").split("\n")
    assert first.startswith('  File "/var/task/app.py" Line ')
    assert second.startswith("    ")


def test_syntax_error_of_an_imported_module_names_the_handler_s(start):
    document = start({"app.py": "import bad", "bad.py": "x ="}).init_error()
    assert document["errorMessage"].startswith("Syntax error in module 'app': ")
    assert '"/var/task/bad.py" Line 1' in document["stackTrace"][0]


@pytest.mark.parametrize(("source", "status"), [("import sys; sys.exit(4)", 4), ("exit()", 0)])
def test_exit_in_init_just_ends_the_process(start, source, status):
    process = start("print('before')\n" + source)
    assert process.receive() is None
    assert process.exit() == status
    assert process.events() == ["before"]


def test_what_is_not_callable_fails_at_invoke(start):
    process = start("handler = 5\n").ready()
    document = process.fail()
    assert document["errorMessage"] == "'int' object is not callable"
    assert document["stackTrace"] == []


def test_a_module_called_bootstrap_is_the_function_s(start, runtime):
    process = start({"bootstrap.py": ECHO}, runtime, handler="bootstrap.handler")
    assert process.ready().invoke(1) == ["bootstrap", 1]


def test_the_function_cannot_shadow_the_runtime_s_own_modules(start, runtime):
    files = {
        "app.py": "import failures, records\n" + ECHO,
        "failures.py": "",
        "records.py": "",
        "lambent_runtime/__init__.py": "raise RuntimeError('shadowed')",
    }
    process = start(files, runtime).ready()
    assert process.call(1)[0] == frames.RESPONSE
