"""Slow: scikit-learn is installed and trained with."""

import json
import subprocess
import sys

import pytest

from lambent.delivery.problem import Problem

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def churn(trained):
    return trained("churn", "--rows", "800")


def test_training_is_seeded(churn, trained) -> None:
    again = trained("churn", "--rows", "800")
    other = trained("churn", "--rows", "800", "--seed", "8")
    assert (again / "model.json").read_text() == (churn / "model.json").read_text()
    assert (again / "model.joblib").read_bytes() == (churn / "model.joblib").read_bytes()
    assert (other / "model.json").read_text() != (churn / "model.json").read_text()
    facts = json.loads((churn / "model.json").read_text())
    assert facts["metrics"]["roc_auc"] > 0.65
    assert len(facts["features"]) == 6


def test_the_handler(churn, answers) -> None:
    event = json.loads((churn / "event.json").read_text())
    version = json.loads((churn / "model.json").read_text())["model_version"]
    settled = event | {"tenure_months": 60, "contract_months": 24, "support_calls": 0}
    found = answers(
        churn,
        [
            event,
            settled,
            {"_warmup": True},
            {"body": json.dumps(event)},
            {"body": "{"},
            {k: v for k, v in event.items() if k != "products"},
            event | {"products": "two", "support_calls": True, "tenure_months": float("nan")},
            [1, 2],
            {"body": "[]"},
        ],
    )
    leaving, staying, warm, by_url, bad_body, missing, wrong, no_object, no_object_body = found
    assert leaving["probability"] > 0.5 > staying["probability"]
    assert (leaving["prediction"], staying["prediction"]) == (1, 0)
    assert leaving["model_version"] == version
    assert warm == {"warm": True, "model_version": version}
    assert by_url == leaving
    for answer in (bad_body, missing, wrong, no_object, no_object_body):
        assert answer["statusCode"] == 400
    assert json.loads(missing["body"]) == {"error": "missing features", "features": ["products"]}
    assert json.loads(wrong["body"])["features"] == ["tenure_months", "products", "support_calls"]


def test_ones_own_table(churn, trained, tmp_path) -> None:
    names = json.loads((churn / "model.json").read_text())["features"]
    rows = [f"{i % 70},{20 + i % 90},{1 + i % 5},{i % 4},{(1, 12, 24)[i % 3]},{i % 2},{int(i % 70 < 30)}"
            for i in range(200)]  # fmt: skip
    table = tmp_path / "own.csv"
    table.write_text("\n".join([",".join([*names, "churned"]), *rows]) + "\n")
    own = trained("churn", "--csv", str(table))
    assert json.loads((own / "model.json").read_text())["metrics"]["accuracy"] > 0.9

    table.write_text("tenure_months,churned\n1,0\n")
    with pytest.raises(Problem) as caught:
        trained("churn", "--csv", str(table))
    assert "no column monthly_charges" in caught.value.why
    table.write_text("\n".join([",".join([*names, "churned"]), "1,2,3,4,5,six,0"]))
    with pytest.raises(Problem) as caught:
        trained("churn", "--csv", str(table))
    assert "line 2" in caught.value.why


def test_the_model_from_s3(churn, tmp_path) -> None:
    """MODEL_BUCKET and MODEL_KEY, against a real S3 server, with the packages of this process."""
    pytest.importorskip("moto")
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
        s3 = boto3.client("s3", endpoint_url=f"http://{host}:{port}", **keys)
        s3.create_bucket(Bucket="models")
        s3.put_object(Bucket="models", Key="churn/7/other.joblib", Body=b"a model")
        s3.put_object(Bucket="models", Key="churn/7/model.json", Body=b'{"model_version": "7"}')
        # joblib is not among our packages; what it is given is what matters here.
        (tmp_path / "joblib.py").write_text("def load(path): return path.read_bytes().decode()\n")
        (tmp_path / "handler.py").write_text((churn / "handler.py").read_text())
        done = subprocess.run(
            [sys.executable, "-c", "import handler; print(handler.MODEL, handler.SCHEMA)"],
            cwd=tmp_path,
            env={
                "PATH": "/usr/bin:/bin",
                "AWS_ENDPOINT_URL_S3": f"http://{host}:{port}",
                "AWS_ACCESS_KEY_ID": "x",
                "AWS_SECRET_ACCESS_KEY": "x",
                "AWS_DEFAULT_REGION": "us-east-1",
                "MODEL_BUCKET": "models",
                "MODEL_KEY": "churn/7/other.joblib",
            },
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    finally:
        server.stop()
    assert done.stdout.strip() == "a model {'model_version': '7'}", done.stderr
