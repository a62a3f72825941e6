"""Half-right requests to the services beside Lambda end without a fault; `make soak` sends thousands."""

import random

import pytest
from scripts import fuzz_beside


@pytest.mark.slow
def test_some_of_what_soak_sends(start_server):
    server = start_server()
    counts = fuzz_beside.run(server.port, random.Random(7), 400)
    assert counts[200] > 20
    assert counts[400] > 20
