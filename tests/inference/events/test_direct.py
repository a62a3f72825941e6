"""`{"features": …}`: what it becomes, and what comes back out of the route's answer."""

import json

import pytest

from lambent_inference.events import direct

ANSWER = {"model_version": "3", "predictions": [{"prediction": 1, "probability": 0.8}]}


def response(body, status=200):
    return {"statusCode": status, "body": json.dumps(body)}


def test_one_row_is_asked_and_answered_alone():
    event = {"features": {"a": 1}, "model_id": "churn/3"}
    assert direct.is_direct(event)
    assert direct.request(event)["body"] == {"model_id": "churn/3", "rows": [{"a": 1}]}
    said = direct.unwrapped(event, response(ANSWER))
    assert said == {"prediction": 1, "probability": 0.8, "model_version": "3"}


def test_several_rows_are_a_list_both_ways():
    event = {"features": [{"a": 1}]}
    assert direct.request(event)["body"] == {"rows": [{"a": 1}]}
    assert direct.unwrapped(event, response(ANSWER)) == [
        {"prediction": 1, "probability": 0.8, "model_version": "3"}
    ]


def test_refusals_are_errors_of_the_invoke():
    event = {"features": {"a": "x"}}
    with pytest.raises(direct.InvalidFeatures, match="must be a number"):
        direct.unwrapped(event, response({"message": "a must be a number"}, 422))
    with pytest.raises(RuntimeError, match="Internal"):
        direct.unwrapped(event, response({"message": "Internal error."}, 500))
    with pytest.raises(direct.InvalidFeatures, match="rows"):
        direct.request({"features": {}, "rows": []})
    assert not direct.is_direct({"features": "text"})
