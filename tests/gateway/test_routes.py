import pytest

from lambent.control.gateways import Route
from lambent.gateway.routes import find


def routes(*texts):
    found = []
    for text in texts:
        method, _, path = text.rpartition(" ")
        found.append(Route(method=method or "ANY", path=path, function=text))
    return found


# The example of API Gateway's page "Routing API requests", and what follows from its rules.
AWS_EXAMPLE = routes(
    "GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default"
)


@pytest.mark.parametrize(
    ("asked", "taken", "parameters"),
    [
        ("GET /pets/dog/1", "GET /pets/dog/1", {}),
        ("GET /pets/dog/2", "GET /pets/dog/{id}", {"id": "2"}),
        ("GET /pets/cat/1", "GET /pets/{proxy+}", {"proxy": "cat/1"}),
        ("POST /test/5", "ANY /{proxy+}", {"proxy": "test/5"}),
        ("POST /pets/dog/1", "ANY /{proxy+}", {"proxy": "pets/dog/1"}),
        ("GET /", "$default", {}),
        ("GET /pets/dog/a%2Fb", "GET /pets/dog/{id}", {"id": "a/b"}),
    ],
)
def test_the_most_specific_route_of_an_http_api(asked, taken, parameters):
    method, _, path = asked.partition(" ")
    found = find("HTTP", AWS_EXAMPLE, method, path)
    assert (found.route.function, dict(found.parameters)) == (taken, parameters)


def test_a_method_beats_any_at_the_same_path():
    both = routes("ANY /a", "GET /a")
    assert find("HTTP", both, "GET", "/a").route.function == "GET /a"
    assert find("REST", both, "PUT", "/a").route.function == "ANY /a"


def test_a_rest_api_finds_the_resource_before_the_method():
    table = routes("GET /items/{id}", "ANY /{proxy+}")
    assert find("REST", table, "GET", "/items/1").route.function == "GET /items/{id}"
    assert find("REST", table, "DELETE", "/items/1") is None
    assert find("HTTP", table, "DELETE", "/items/1").route.function == "ANY /{proxy+}"


def test_slashes_at_the_end():
    table = routes("GET /items")
    assert find("REST", table, "GET", "/items/") is not None
    assert find("HTTP", table, "GET", "/items/") is None


def test_greedy_takes_at_least_one_segment():
    table = routes("ANY /a/{proxy+}")
    assert find("REST", table, "GET", "/a") is None
    assert find("REST", table, "GET", "/a/b/c").parameters == {"proxy": "b/c"}


def test_no_route():
    assert find("HTTP", routes("GET /a"), "GET", "/b") is None
    assert find("HTTP", routes("GET /a"), "POST", "/a") is None


def test_a_load_balancer_takes_the_first_rule():
    table = routes("/img/*", "/img/logo.???", "$default")
    assert find("ALB", table, "GET", "/img/logo.png").route.function == "/img/*"
    assert find("ALB", table, "GET", "/other").route.function == "$default"
    assert find("ALB", table[:1], "GET", "/other") is None
