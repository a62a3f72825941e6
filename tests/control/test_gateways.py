import pytest

from lambent.control.gateways import GatewayConfig, Route, checked
from lambent.errors import InvalidParameterValue


@pytest.mark.parametrize("kind", ["HTTP", "ALB"])
@pytest.mark.parametrize("path", ["$default", "/a"])
def test_every_route_names_an_authorizer_that_there_is(kind, path) -> None:
    route = Route(path=path, function="f", authorizer="nobody")
    with pytest.raises(InvalidParameterValue, match="no authorizer 'nobody'"):
        checked("g", GatewayConfig(kind=kind, routes=(route,)))
