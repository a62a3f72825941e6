"""Init: what is preloaded, within which time, and what a model that cannot be loaded spoils."""

import asyncio
import time

import pytest

from lambent_inference.handler import Handler
from lambent_inference.service import Service
from lambent_inference.settings import load


@pytest.fixture
def handler(known_answers):
    made = []

    def make(**environ):
        made.append(Handler(Service(load(environ), lambda _: known_answers)))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_models_are_loaded_in_init(handler, known_answers, caplog):
    made = handler(PRELOAD_MODELS="coco/3, nobodys/9, sorts/1", PINNED_MODELS="tags/1")
    assert list(known_answers.loaded) == ["tags/1", "coco/3", "sorts/1"]
    assert "nobodys/9 cannot be preloaded" in caplog.text
    answer = made({"httpMethod": "GET", "path": "/readiness"})
    assert answer["body"] == '{"status":"ready"}'


def test_init_is_not_overrun(handler, known_answers, caplog):
    real = known_answers.add

    async def slow(model_id, **options):
        await asyncio.sleep(30 if model_id == "sorts/1" else 0)
        return await real(model_id, **options)

    known_answers.add = slow
    began = time.monotonic()
    made = handler(PRELOAD_MODELS="coco/3,sorts/1,tags/1", PRELOAD_BUDGET_S="0.3")
    assert time.monotonic() - began < 25
    assert list(known_answers.loaded) == ["coco/3"]
    assert "its time is used up" in caplog.text
    assert made({"httpMethod": "GET", "path": "/readiness"})["statusCode"] == 200


def test_before_a_snapshot_everything_is_there(handler, known_answers, monkeypatch):
    """Time is no matter then, and validators are built for all who will be restored."""
    from lambent_inference.routes.schema import ObjectDetectionInferenceRequest

    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")
    handler(PRELOAD_MODELS="coco/3", PRELOAD_BUDGET_S="0")
    assert list(known_answers.loaded) == ["coco/3"]
    assert ObjectDetectionInferenceRequest.__pydantic_complete__


def test_a_model_that_breaks_spoils_only_itself(handler, known_answers, caplog):
    real = known_answers.add

    async def broken(model_id, **options):
        if model_id == "coco/3":
            raise RuntimeError("unforeseen")
        return await real(model_id, **options)

    known_answers.add = broken
    handler(PRELOAD_MODELS="coco/3,sorts/1")
    assert list(known_answers.loaded) == ["sorts/1"]
    assert "unforeseen" in caplog.text


def test_requests_that_name_no_model_are_for_the_pinned_one(handler, known_answers):
    made = handler(PINNED_MODELS="churn")
    known_answers.loaded.clear()
    known_answers.fixed = lambda family: "churn" if "churn" in known_answers.loaded else None
    event = {"httpMethod": "POST", "path": "/infer/tabular", "body": {"rows": [[1, "a"]]}}
    assert made(event)["statusCode"] == 200
    none = handler()
    known_answers.loaded.clear()
    answer = none(event)
    assert (answer["statusCode"], "PINNED_MODELS" in answer["body"]) == (400, True)
