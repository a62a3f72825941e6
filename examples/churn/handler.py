"""Answers one customer's features with the probability that they leave.

The model is loaded once, when the environment starts: from the package, or from S3 when
MODEL_BUCKET and MODEL_KEY are set (the key of model.joblib; model.json lies beside it).

    {"tenure_months": 3, "monthly_charges": 80, …}  →  {"prediction": 1, "probability": 0.82, …}
    {"_warmup": true}                               →  {"warm": true, …}
"""

import json
import math
import os

import joblib


def load():
    """The model and its schema; only load models that you trust, because joblib runs their code."""
    folder = os.path.dirname(os.path.abspath(__file__))
    if os.environ.get("MODEL_BUCKET"):
        import boto3

        s3, key = boto3.client("s3"), os.environ["MODEL_KEY"]
        folder = "/tmp"
        for source in (key, os.path.join(os.path.dirname(key), "model.json")):
            target = os.path.join(folder, os.path.basename(source))
            s3.download_file(os.environ["MODEL_BUCKET"], source, target)
    name = os.path.basename(os.environ.get("MODEL_KEY", "model.joblib"))
    with open(os.path.join(folder, "model.json")) as file:
        schema = json.load(file)
    return joblib.load(os.path.join(folder, name)), schema


MODEL, SCHEMA = load()


def handler(event, context):
    if not isinstance(event, dict):
        return problem("the event must be an object of features", [])
    if "_warmup" in event:
        return {"warm": True, "model_version": SCHEMA["model_version"]}
    if "body" in event:  # a function URL or an API in front
        try:
            event = json.loads(event["body"] or "{}")
        except ValueError:
            return problem("the body is not JSON", [])
        if not isinstance(event, dict):
            return problem("the body must be an object of features", [])

    missing = [name for name in SCHEMA["features"] if event.get(name) is None]
    if missing:
        return problem("missing features", missing)
    wrong = [name for name in SCHEMA["features"] if not is_number(event[name])]
    if wrong:
        return problem("features that are not numbers", wrong)

    row = [[float(event[name]) for name in SCHEMA["features"]]]
    probability = float(MODEL.predict_proba(row)[0][1])
    return {
        "prediction": int(probability >= 0.5),
        "probability": round(probability, 4),
        "model_version": SCHEMA["model_version"],
    }


def is_number(value):
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    )


def problem(message, features):
    body = {"error": message, "features": features}
    return {"statusCode": 400, "body": json.dumps(body)}
