import re
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambent.api import constraints, model
from lambent.api.validate import _compiled, validate
from lambent.errors import InvalidParameterValue, ValidationException

SERVICE = model.load()
ROLE = "arn:aws:iam::123456789012:role/r"
CREATE = {"FunctionName": "f", "Role": ROLE, "Code": {"ZipFile": b"x"}}


def refusal(operation, **values):
    with pytest.raises(ValidationException) as caught:
        validate(SERVICE.operations[operation], values)
    return caught.value.message


def one(what):
    return f"1 validation error detected: {what}"


def test_required_members_are_named_together():
    assert refusal("CreateFunction") == (
        "3 validation errors detected: "
        "Value null at 'functionName' failed to satisfy constraint: Member must not be null; "
        "Value null at 'role' failed to satisfy constraint: Member must not be null; "
        "Value null at 'code' failed to satisfy constraint: Member must not be null"
    )


def test_role():
    assert refusal("CreateFunction", **{**CREATE, "Role": "r1"}) == one(
        "Value 'r1' at 'role' failed to satisfy constraint: Member must satisfy regular expression "
        r"pattern: arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+"
    )


def test_two_architectures_and_an_unknown_one():
    assert refusal("CreateFunction", **CREATE, Architectures=["x86_64", "arm64"]) == one(
        "Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: "
        "Member must have length less than or equal to 1"
    )
    assert refusal("CreateFunction", **CREATE, Architectures=["X86_64"]) == one(
        "Value '[X86_64]' at 'architectures' failed to satisfy constraint: Member must satisfy "
        "constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"
    )


@pytest.mark.parametrize(
    ("memory", "text"),
    [(127, "greater than or equal to 128"), (32_769, "less than or equal to 32768")],
)
def test_ranges(memory, text):
    assert refusal("CreateFunction", **CREATE, MemorySize=memory) == one(
        f"Value '{memory}' at 'memorySize' failed to satisfy constraint: Member must have value {text}"
    )


def test_weights_of_an_alias():
    values = {"FunctionName": "f", "Name": "a", "FunctionVersion": "1"}
    assert refusal(
        "CreateAlias", **values, RoutingConfig={"AdditionalVersionWeights": {"2": 1.5}}
    ) == one(
        "Value '{2=1.5}' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: "
        "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, "
        "Member must have value greater than or equal to 0.0, Member must not be null]"
    )


def test_values_that_are_secret_are_not_printed():
    message = refusal("CreateFunction", **CREATE, Environment={"Variables": {"1": "secret"}})
    assert message == one(
        "Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy "
        "constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+, "
        "Member must not be null]"
    )


@pytest.mark.parametrize(("name", "fits"), [("2024-01-02", True), ("2024", False), ("a b", False)])
def test_alias_names(name, fits):
    values = {"FunctionName": "f", "Name": name, "FunctionVersion": "1"}
    if fits:
        validate(SERVICE.operations["CreateAlias"], values)
    else:
        assert refusal("CreateAlias", **values) == one(
            f"Value '{name}' at 'name' failed to satisfy constraint: Member must satisfy regular "
            "expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)"
        )


@pytest.mark.parametrize(
    ("operation", "limit"),
    [("DeleteFunction", 140), ("UpdateFunctionCode", 140), ("GetFunction", 170), ("Invoke", 170)],
)
def test_lengths_of_function_names_by_operation(operation, limit):
    validate(SERVICE.operations[operation], {"FunctionName": "n" * limit})
    long = "n" * (limit + 1)
    assert refusal(operation, FunctionName=long) == one(
        f"Value '{long}' at 'functionName' failed to satisfy constraint: "
        f"Member must have length less than or equal to {limit}"
    )


def test_function_name_patterns_of_create_and_get():
    prefix = (
        r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?"
        r"(\d{12}:)?(function:)?"
    )
    assert refusal("CreateFunction", **{**CREATE, "FunctionName": "a.b"}).endswith(
        rf"pattern: {prefix}([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?"
    )
    validate(SERVICE.operations["GetFunction"], {"FunctionName": "a.b"})
    assert refusal("GetFunction", FunctionName="a b", Qualifier="x y").endswith(
        rf"pattern: {prefix}([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?; "
        r"Value 'x y' at 'qualifier' failed to satisfy constraint: Member must satisfy regular "
        r"expression pattern: \$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"
    )


def test_a_new_functions_plain_name_has_64_characters_at_most():
    name = "n" * 65
    with pytest.raises(InvalidParameterValue) as caught:
        validate(SERVICE.operations["CreateFunction"], {**CREATE, "FunctionName": name})
    assert caught.value.message == one(
        f"Value '{name}' at 'functionName' failed to satisfy constraint: "
        "Member must have length less than or equal to 64"
    )
    validate(SERVICE.operations["CreateFunction"], {**CREATE, "FunctionName": name[1:]})


def test_the_runtime_has_a_text_of_its_own():
    with pytest.raises(InvalidParameterValue) as caught:
        validate(SERVICE.operations["CreateFunction"], {**CREATE, "Runtime": "PYTHON3.12"})
    assert caught.value.message == (
        "Value PYTHON3.12 at 'runtime' failed to satisfy constraint: Member must satisfy enum "
        "value set: [nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, "
        "nodejs22.x, java25, python3.10, python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, "
        "python3.9, java17, nodejs16.x, dotnet10, dotnet8, java11, dotnet6, nodejs18.x, "
        "provided.al2, java8.al2] or be a valid ARN"
    )
    # What AWS blocks has another text, which `control` knows.
    validate(SERVICE.operations["CreateFunction"], {**CREATE, "Runtime": "python3.7"})


def test_entries_of_lists_are_counted_from_one():
    values = {"FunctionName": "f", "FileSystemConfigs": [{"LocalMountPath": "/mnt/a"}]}
    assert refusal("UpdateFunctionConfiguration", **values) == one(
        "Value null at 'fileSystemConfigs.1.member.arn' failed to satisfy constraint: "
        "Member must not be null"
    )
    assert "Member must not be null]" in refusal(
        "UpdateFunctionConfiguration", FunctionName="f", Layers=[None]
    )


def test_a_huge_value_is_refused_without_running_its_pattern():
    name = "a" * 2_000_000
    message = refusal("GetFunction", FunctionName=name)
    assert message.startswith("1 validation error detected")
    assert len(message) < 20_000


def test_lengths_count_utf_16_units():
    validate(SERVICE.operations["PublishVersion"], {"FunctionName": "f", "Description": "é" * 256})
    refusal("PublishVersion", FunctionName="f", Description="😀" * 129)


def test_tags_take_letters_of_every_script():
    resource = "arn:aws:lambda:us-east-1:123456789012:function:f"
    validate(
        SERVICE.operations["TagResource"], {"Resource": resource, "Tags": {"größe 名前": "a/b=c @"}}
    )
    message = refusal("TagResource", Resource=resource, Tags={"a*": "b"})
    assert r"pattern: ([\p{L}\p{Z}\p{N}_.:/=+\-@]*), Member must not be null]" in message


def _patterned():
    seen = {}

    def walk(shape):
        if shape.name not in seen:
            seen[shape.name] = shape
            for inner in (shape.key, shape.element, *(m.shape for m in shape.members.values())):
                if inner:
                    walk(inner)

    for operation in SERVICE.operations.values():
        walk(operation.input)
    return [shape for shape in seen.values() if shape.pattern]


def test_every_pattern_compiles_without_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for shape in _patterned():
            _compiled(shape.pattern)
            _compiled(constraints.PRINTED_PATTERNS.get(shape.name, shape.pattern))


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_what_a_pattern_generates_it_takes(data):
    shape = data.draw(
        st.sampled_from(
            [s for s in _patterned() if "(?" not in s.pattern and "\\p" not in s.pattern]
        )
    )
    text = data.draw(st.from_regex(re.compile(shape.pattern, re.ASCII), fullmatch=True))
    assert _compiled(shape.pattern).fullmatch(text)


def constrained():
    """Every member of every operation's input that has constraints of its own, with its path."""
    for operation in SERVICE.operations.values():
        for name, member in operation.input.members.items():
            yield from _inside(operation, (name,), member.shape, member.path_name)


def _inside(operation, names, shape, path):
    if shape.kind in {"string", "integer", "long", "double", "list", "map"}:
        if any((shape.minimum, shape.maximum, shape.pattern, shape.enum)):
            yield pytest.param(operation, names, shape, path, id=f"{operation.name}.{path}")
    elif shape.kind == "structure" and len(names) < 3:
        for name, member in shape.members.items():
            inner = f"{path}.{member.path_name}"
            yield from _inside(operation, (*names, name), member.shape, inner)


def breaking(shape):
    """A value of the right type that no constraint of the shape allows."""
    if shape.kind in {"integer", "long", "double"}:
        return shape.maximum + 1 if shape.maximum is not None else shape.minimum - 1
    if shape.kind == "list":
        return [] if not shape.maximum else [None] * (int(shape.maximum) + 1)
    if shape.kind == "map":
        return {str(n): None for n in range(int(shape.maximum or 0) + 1)}
    if shape.enum or (shape.pattern and not _compiled(shape.pattern).fullmatch("\n")):
        return "\n"
    return "x" * (int(shape.maximum) + 1) if shape.maximum else ""


@pytest.mark.parametrize(("operation", "names", "shape", "path"), [*constrained()])
def test_a_breach_names_its_path_and_its_constraint(operation, names, shape, path):
    if (operation.name, names[0]) in constraints.RUNTIME_MEMBERS or shape.name == "LogPattern":
        pytest.skip("it has a text of its own, which is tested above")
    value = breaking(shape)
    for name in reversed(names):
        value = {name: value}
    with pytest.raises((ValidationException, InvalidParameterValue)) as caught:
        validate(operation, value)
    found = [part for part in caught.value.message.split("; ") if f" at '{path}'" in part]
    assert found, caught.value.message
    assert all(
        "failed to satisfy constraint: Member must" in part or "Map " in part for part in found
    )
