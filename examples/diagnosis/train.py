"""Trains a model on real data: is a breast tumour malignant or benign?

    python train.py             the split of seed 7
    python train.py --seed 8    another one

The data are the 569 cases of the Wisconsin diagnostic set that scikit-learn carries: 30 features of
cell nuclei in a digitised image of a fine needle aspirate. A quarter of the cases is held out.

Writes model.joblib and model.json (features, metrics, version), which handler.py reads, and
held_out.json: the rows that training never saw, their labels, and what the model says of them here,
so that a deployed function can be compared. A demonstration, not a medical device.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import joblib
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the diagnosis model.")
    parser.add_argument("--seed", type=int, default=7, help="for the split and the model (7)")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent, help="folder to write to"
    )
    args = parser.parse_args()

    data = load_breast_cancer()
    features = [str(name).replace(" ", "_") for name in data.feature_names]
    malignant = 1 - data.target  # the set calls benign 1; what is looked for is malignant
    fit_x, test_x, fit_y, test_y = train_test_split(
        data.data, malignant, test_size=0.25, random_state=args.seed, stratify=malignant
    )
    model = make_pipeline(StandardScaler(), GradientBoostingClassifier(random_state=args.seed))
    model.fit(fit_x, fit_y)
    probabilities = model.predict_proba(test_x)[:, 1]
    predictions = (probabilities >= 0.5).astype(int)

    args.out.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, args.out / "model.joblib", compress=3)
    digest = hashlib.sha256((args.out / "model.joblib").read_bytes()).hexdigest()
    metrics = {
        "rows": len(data.data),
        "accuracy": round(float(accuracy_score(test_y, predictions)), 4),
        "roc_auc": round(float(roc_auc_score(test_y, probabilities)), 4),
    }
    schema = {
        "model_version": digest[:12],
        "estimator": "StandardScaler + GradientBoostingClassifier",
        "features": features,
        "metrics": metrics,
        "seed": args.seed,
    }
    (args.out / "model.json").write_text(json.dumps(schema, indent=2) + "\n")
    held_out = {
        "rows": [dict(zip(features, row, strict=True)) for row in test_x.tolist()],
        "labels": test_y.tolist(),
        "predictions": predictions.tolist(),
    }
    (args.out / "held_out.json").write_text(json.dumps(held_out) + "\n")
    print(json.dumps({"model_version": schema["model_version"], **metrics}))


if __name__ == "__main__":
    main()
