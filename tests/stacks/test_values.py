"""Intrinsic functions: known values, unknown ones, and what is refused."""

import json

import pytest

from lambent.errors import StackError
from lambent.stacks import document, graph, parameters
from lambent.stacks.kinds import all_kinds
from lambent.stacks.plan import Made, plan
from lambent.stacks.values import UNKNOWN, Resolver

BODY = {
    "Parameters": {
        "Stage": {"Type": "String", "Default": "dev"},
        "Zones": {"Type": "CommaDelimitedList", "Default": "a, b"},
    },
    "Mappings": {"Sizes": {"dev": {"memory": 128}, "prod": {"memory": 1024}}},
    "Conditions": {"IsProd": {"Fn::Equals": [{"Ref": "Stage"}, "prod"]}},
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Group": {"Type": "AWS::Logs::LogGroup", "Condition": "IsProd"},
    },
}
PSEUDO = {"AWS::Region": "us-east-1", "AWS::StackName": "s"}


def resolver(attributes=None, **given):
    template = document.read(json.dumps(BODY))
    bound = parameters.bind(template, given)

    def attribute(logical_id, name):
        template.resources[logical_id]
        return (attributes or {}).get((logical_id, name), UNKNOWN)

    values = parameters.values(template, bound)
    return Resolver(template, values, PSEUDO, attribute, {"shared": "arn"})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "Stage"}, "dev"),
        ({"Ref": "Zones"}, ["a", "b"]),
        ({"Fn::Sub": "${AWS::StackName}-${Stage}-${!Literal}"}, "s-dev-${Literal}"),
        ({"Fn::Sub": ["${x}/${Stage}", {"x": {"Ref": "AWS::Region"}}]}, "us-east-1/dev"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Stage"}]]}, "a-dev"),
        ({"Fn::Select": ["1", {"Fn::Split": [",", "x,y"]}]}, "y"),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "Stage"}, "memory"]}, 128),
        ({"Fn::FindInMap": ["Sizes", "x", "memory", {"DefaultValue": 1}]}, 1),
        ({"Fn::If": ["IsProd", 1, 2]}, 2),
        ({"a": {"Fn::If": ["IsProd", 1, {"Ref": "AWS::NoValue"}]}, "b": 1}, {"b": 1}),
        ({"Fn::Or": [{"Condition": "IsProd"}, {"Fn::Not": [{"Condition": "IsProd"}]}]}, True),
        ({"Fn::And": [{"Condition": "IsProd"}, {"Fn::Equals": ["a", "a"]}]}, False),
        ({"Fn::Base64": "hi"}, "aGk="),
        ({"Fn::ImportValue": {"Fn::Sub": "shared"}}, "arn"),
        ({"Fn::Length": [1, 2]}, 2),
        ({"Fn::ToJsonString": {"a": [1]}}, '{"a":[1]}'),
        ({"Fn::GetAZs": ""}, ["us-east-1a", "us-east-1b", "us-east-1c"]),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, "arn:queue"),
        ({"Fn::GetAtt": "Queue.Arn"}, "arn:queue"),
        ({"Fn::Sub": "${Queue.Arn}!"}, "arn:queue!"),
    ],
)
def test_functions(value, expected):
    assert resolver({("Queue", "Arn"): "arn:queue"}).resolve(value) == expected


def test_what_is_not_known_yet_spreads():
    find = resolver()
    assert find.resolve({"Ref": "Queue"}) is UNKNOWN
    assert find.resolve({"Fn::Sub": "x-${Queue.Arn}"}) is UNKNOWN
    assert find.resolve({"Fn::Join": ["", ["a", {"Ref": "Queue"}]]}) is UNKNOWN
    assert find.resolve({"a": {"Ref": "Queue"}}) == {"a": UNKNOWN}


@pytest.mark.parametrize(
    "value",
    [
        {"Ref": "Nobody"},
        {"Fn::GetAtt": ["Nobody", "Arn"]},
        {"Fn::FindInMap": ["Sizes", "x", "memory"]},
        {"Fn::If": ["Nobody", 1, 2]},
        {"Fn::ImportValue": "nobody"},
        {"Fn::Join": "x"},
        {"Fn::Select": [9, ["a"]]},
        {"Fn::Surprise": 1},
    ],
)
def test_what_cannot_be_resolved_is_named(value):
    with pytest.raises(StackError):
        resolver().resolve(value)


def test_conditions_decide_which_resources_there_are():
    assert not resolver().exists("Group")
    assert resolver(Stage="prod").exists("Group")


def test_order_follows_every_reference():
    body = {
        "Resources": {
            "A": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": {"Fn::Sub": "${B}"}}},
            "B": {"Type": "AWS::Logs::LogGroup", "DependsOn": "C"},
            "C": {"Type": "AWS::Logs::LogGroup", "Properties": {"Tags": [{"Key": "d", "Value": {"Fn::GetAtt": "D.Arn"}}]}},
            "D": {"Type": "AWS::Logs::LogGroup"},
        }
    }  # fmt: skip
    assert graph.order(document.read(json.dumps(body))) == ["D", "C", "B", "A"]


@pytest.mark.parametrize(
    ("declared", "given", "said"),
    [
        ({"Type": "Number", "MinValue": 5}, "4", "not less than 5"),
        ({"Type": "Number"}, "four", "must be a number"),
        ({"Type": "String", "AllowedValues": ["a"]}, "b", r"AllowedValues: \[a\]"),
        ({"Type": "String", "AllowedPattern": "[a-z]+"}, "A", "must match pattern"),
        ({"Type": "String", "MinLength": 3}, "ab", "at least 3"),
        (
            {"Type": "String", "AllowedPattern": "x", "ConstraintDescription": "only x"},
            "y",
            "only x",
        ),
    ],
)
def test_parameters_are_checked(declared, given, said):
    body = {"Parameters": {"P": declared}, "Resources": {"A": {"Type": "AWS::Logs::LogGroup"}}}
    with pytest.raises(StackError, match=said):
        parameters.bind(document.read(json.dumps(body)), {"P": given})


def test_a_plan_tells_replacements_from_changes_in_place():
    body = {
        "Resources": {
            "Same": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "a"}},
            "Days": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "b", "RetentionInDays": 7}},
            "Name": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "c2"}},
            "Maybe": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": {"Ref": "New"}}},
            "New": {"Type": "AWS::Logs::LogGroup"},
        }
    }  # fmt: skip
    template = document.read(json.dumps(body))
    names = {"Same": "a", "Days": "b", "Name": "c", "Maybe": "d", "Gone": "e"}
    made = {
        key: Made(
            logical_id=key,
            kind="AWS::Logs::LogGroup",
            physical_id=name,
            properties={"LogGroupName": name},
        )
        for key, name in names.items()
    }
    find = Resolver(template, {}, PSEUDO, lambda *_: UNKNOWN)
    changes = {c.logical_id: c for c in plan(template, find, made, all_kinds())}
    found = {key: (c.action, c.replacement) for key, c in changes.items()}
    assert found == {
        "Days": ("Modify", "False"),
        "Name": ("Modify", "True"),
        "Maybe": ("Modify", "Conditional"),
        "New": ("Add", ""),
        "Gone": ("Remove", ""),
    }
