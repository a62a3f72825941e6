"""Trains the churn model: will a customer leave within the next three months?

    python train.py                      a generated customer table, seed 7
    python train.py --seed 8             another one
    python train.py --csv customers.csv  your own: the columns below, and `churned` (0 or 1)

Writes model.joblib and model.json (features, metrics, version), which handler.py reads.

The generated table, one row per customer (see `customers`):

    tenure_months     0 to 72     how long they have been with us
    monthly_charges   20 to 140   what they pay each month
    products          1 to 5      how many products they use
    support_calls     0 or more   calls to support in the last three months
    contract_months   1, 12, 24   the length of the contract
    auto_payment      0 or 1      whether payment is automatic

Short tenure, high charges, many calls and monthly contracts make leaving likelier; the outcome is
drawn from that probability, so no model can be perfect.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
from pathlib import Path

import joblib
import numpy as np
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split

FEATURES = (
    "tenure_months",
    "monthly_charges",
    "products",
    "support_calls",
    "contract_months",
    "auto_payment",
)


def customers(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The generated table: features in the order of FEATURES, and whether each customer left."""
    random = np.random.default_rng(seed)
    tenure = random.integers(0, 73, rows)
    products = random.integers(1, 6, rows)
    charges = np.clip(random.normal(35 + 15 * products, 12), 20, 140).round(2)
    calls = random.poisson(1.2, rows)
    contract = random.choice([1, 12, 24], rows, p=[0.5, 0.3, 0.2])
    automatic = random.integers(0, 2, rows)
    score = (
        0.8
        - 0.045 * tenure
        + 0.018 * (charges - 70)
        - 0.25 * (products - 2)
        + 0.55 * calls
        - 0.07 * contract
        - 0.5 * automatic
    )
    churned = random.random(rows) < 1 / (1 + np.exp(-score))
    table = np.column_stack([tenure, charges, products, calls, contract, automatic])
    return table.astype(float), churned.astype(int)


def read_csv(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Your own table; says which column or row it cannot use."""
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        missing = [n for n in (*FEATURES, "churned") if n not in (reader.fieldnames or ())]
        if missing:
            raise SystemExit(f"{path}: no column {', '.join(missing)}")
        table, churned = [], []
        for line, row in enumerate(reader, start=2):
            try:
                table.append([float(row[name]) for name in FEATURES])
                churned.append(int(row["churned"]))
            except (TypeError, ValueError) as error:
                raise SystemExit(f"{path}, line {line}: {error}") from None
    return np.array(table), np.array(churned)


def train(table: np.ndarray, churned: np.ndarray, seed: int) -> tuple[object, dict[str, object]]:
    """The fitted pipeline, and what a held-out quarter of the table says about it."""
    fit_x, test_x, fit_y, test_y = train_test_split(
        table, churned, test_size=0.25, random_state=seed, stratify=churned
    )
    # Trees need no scaler, and without one `lambent model compile` makes the same model of it.
    model = GradientBoostingClassifier(random_state=seed).fit(fit_x, fit_y)
    metrics = {
        "rows": len(table),
        "accuracy": round(float(accuracy_score(test_y, model.predict(test_x))), 4),
        "roc_auc": round(float(roc_auc_score(test_y, model.predict_proba(test_x)[:, 1])), 4),
    }
    return model, metrics


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the churn model.")
    parser.add_argument("--csv", type=Path, help="your own table instead of the generated one")
    parser.add_argument("--rows", type=int, default=4000, help="rows to generate (4000)")
    parser.add_argument("--seed", type=int, default=7, help="for the table and the model (7)")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent, help="folder to write to"
    )
    parser.add_argument("--sample", type=Path, help="write rows for `lambent model compile`, too")
    args = parser.parse_args()

    table, churned = read_csv(args.csv) if args.csv else customers(args.rows, args.seed)
    model, metrics = train(table, churned, args.seed)
    if args.sample:
        header = ",".join(FEATURES)
        np.savetxt(args.sample, table[:500], "%g", delimiter=",", header=header, comments="")

    args.out.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, args.out / "model.joblib", compress=3)
    digest = hashlib.sha256((args.out / "model.joblib").read_bytes()).hexdigest()
    schema = {
        "model_version": digest[:12],
        "estimator": "GradientBoostingClassifier",
        "features": list(FEATURES),
        "metrics": metrics,
        "seed": args.seed,
    }
    (args.out / "model.json").write_text(json.dumps(schema, indent=2) + "\n")
    print(json.dumps({"model_version": schema["model_version"], **metrics}))


if __name__ == "__main__":
    main()
