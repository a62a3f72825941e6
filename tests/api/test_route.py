import pytest

from lambent.api.route import Router
from lambent.errors import UnknownOperation


@pytest.fixture(scope="module")
def router(service):
    return Router(service)


def test_every_operation_has_a_path_of_its_own(router, service):
    assert len(service.operations) >= 91
    for operation in service.operations.values():
        path = operation.path
        for label in [n for n, m in operation.input.members.items() if m.location == "uri"]:
            wire = operation.input.members[label].wire_name
            path = path.replace("{" + wire + "}", f"value-of-{wire}")
        query = "&".join(f"{k}={v}" for k, v in operation.query).encode()
        match = router.match(operation.method, path, query)
        assert match.operation is operation
        assert match.labels == {n: f"value-of-{n}" for n in match.labels}


@pytest.mark.parametrize(
    ("path", "query", "name"),
    [
        ("/2018-10-31/layers", b"", "ListLayers"),
        ("/2018-10-31/layers", b"find=LayerVersion&Arn=x", "GetLayerVersionByArn"),
        ("/2018-10-31/layers", b"find=Other", "ListLayers"),
        (
            "/2019-09-30/functions/f/provisioned-concurrency",
            b"Qualifier=1",
            "GetProvisionedConcurrencyConfig",
        ),
        (
            "/2019-09-30/functions/f/provisioned-concurrency",
            b"Marker=a&List=ALL",
            "ListProvisionedConcurrencyConfigs",
        ),
        ("/2015-03-31/functions/", b"", "ListFunctions"),
    ],
)
def test_operations_that_share_a_path_are_told_apart_by_their_query(router, path, query, name):
    assert router.match("GET", path, query).operation.name == name


def test_a_path_is_split_before_it_is_decoded(router):
    arn = "arn:aws:lambda:us-east-1:123456789012:function:f:1/durable-execution/a/b"
    encoded = arn.replace("/", "%2F").replace(":", "%3A")
    match = router.match("GET", f"/2025-12-01/durable-executions/{encoded}/history", b"")
    assert match.operation.name == "GetDurableExecutionHistory"
    assert match.labels == {"DurableExecutionArn": arn}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", ""),
        ("GET", "/2015-03-31/functions/f/nothing"),
        ("PATCH", "/2015-03-31/functions/f"),
        ("GET", "/2015-03-31/functions//configuration"),
        ("POST", "/2015-03-31/functions/f/invocations/more"),
    ],
)
def test_anything_else_is_an_unknown_operation(router, method, path):
    with pytest.raises(UnknownOperation):
        router.match(method, path, b"")
