"""Answers one customer's features with the probability that they leave.

The model is loaded once, when the environment starts: from the package, or from S3 when
MODEL_BUCKET and MODEL_KEY are set (the key of model.joblib; model.json lies beside it).

    {"tenure_months": 3, "monthly_charges": 80, …}  →  {"prediction": 1, "probability": 0.82, …}
    {"_warmup": true}                               →  {"warm": true, …}
"""

import json
import math
import os
from pathlib import Path

import joblib


def load():
    """The model and its schema; only load models that you trust, because joblib runs their code."""
    folder = Path(__file__).parent
    key = Path(os.environ.get("MODEL_KEY", "model.joblib"))
    if bucket := os.environ.get("MODEL_BUCKET"):
        import boto3

        s3, folder = boto3.client("s3"), Path("/tmp")
        for source in (key, key.with_name("model.json")):
            s3.download_file(bucket, str(source), str(folder / source.name))
    schema = json.loads((folder / "model.json").read_text())
    return joblib.load(folder / key.name), schema


MODEL, SCHEMA = load()


def handler(event, _context):
    if isinstance(event, dict) and "_warmup" in event:
        return {"warm": True, "model_version": SCHEMA["model_version"]}
    if isinstance(event, dict) and "body" in event:  # a function URL or an API in front
        try:
            event = json.loads(event["body"] or "{}")
        except ValueError:
            return problem("the body is not JSON")
    if not isinstance(event, dict):
        return problem("the event must be an object of features")
    if found := check(event):
        return problem(*found)

    row = [[float(event[name]) for name in SCHEMA["features"]]]
    probability = float(MODEL.predict_proba(row)[0][1])
    return {
        "prediction": int(probability >= 0.5),
        "probability": round(probability, 4),
        "model_version": SCHEMA["model_version"],
    }


def check(row):
    """What is wrong with a row's features: a message and their names, or None."""
    missing = [name for name in SCHEMA["features"] if row.get(name) is None]
    if missing:
        return "missing features", missing
    wrong = [name for name in SCHEMA["features"] if not is_number(row[name])]
    return ("features that are not numbers", wrong) if wrong else None


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def problem(message, features=()):
    body = {"error": message, "features": list(features)}
    return {"statusCode": 400, "body": json.dumps(body)}
