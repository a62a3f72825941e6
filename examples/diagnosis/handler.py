"""Answers one case, or many, with the probability that the tumour is malignant.

The model is loaded once, when the environment starts: from the package, or from S3 when
MODEL_BUCKET and MODEL_KEY are set (the key of model.joblib; model.json lies beside it).

    {"mean_radius": 14.1, …}            →  {"prediction": 0, "probability": 0.01, …}
    {"rows": [{…}, {…}]}                →  {"predictions": [0, 1], "probabilities": [0.01, 0.97], …}
    {"_warmup": true}                   →  {"warm": true, …}
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
    if not isinstance(event, dict):
        return problem("the event must be an object")
    if "_warmup" in event:
        return {"warm": True, "model_version": SCHEMA["model_version"]}
    batch = "rows" in event
    rows = event["rows"] if batch else [event]
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        return problem("rows must be a list of objects with features")
    for number, row in enumerate(rows):
        if found := check(row):
            message, names = found
            return problem(f"{message} in row {number}" if batch else message, names)

    table = [[float(row[name]) for name in SCHEMA["features"]] for row in rows]
    probabilities = [float(p) for p in MODEL.predict_proba(table)[:, 1]]
    predictions = [int(p >= 0.5) for p in probabilities]
    version = {"model_version": SCHEMA["model_version"]}
    if batch:
        return {"predictions": predictions, "probabilities": probabilities, **version}
    return {"prediction": predictions[0], "probability": probabilities[0], **version}


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
