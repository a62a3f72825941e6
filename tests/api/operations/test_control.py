"""The records of the operations that `control` answers, held against botocore's model."""

from __future__ import annotations

import msgspec
import pytest

from lambent.api.operations import account, aliases, concurrency, functions, versions
from lambent.control import answers

MODULES = (account, aliases, concurrency, functions, versions)
OPERATIONS = [operation for module in MODULES for operation in module.OPERATIONS]

ANSWERS = {
    "CreateAlias": answers.AliasConfiguration,
    "CreateFunction": answers.FunctionConfiguration,
    "GetAccountSettings": answers.AccountAnswer,
    "GetFunction": answers.FunctionAnswer,
    "GetFunctionConcurrency": answers.ConcurrencyAnswer,
    "ListAliases": answers.AliasList,
    "ListFunctions": answers.FunctionList,
    "ListVersionsByFunction": answers.VersionList,
}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.name)
def test_no_member_of_the_model_is_silently_ignored(operation, service):
    names = {field.encode_name for field in msgspec.structs.fields(operation.request_type)}
    assert service.operations[operation.name].input.members.keys() <= names


@pytest.mark.parametrize(("operation", "answer"), ANSWERS.items())
def test_answers_have_members_of_the_model_only(operation, answer, service):
    names = {field.encode_name for field in msgspec.structs.fields(answer)}
    assert names <= service.operations[operation].output.members.keys()
