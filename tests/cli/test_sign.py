"""`lambent sign`: a profile, a signed package, and what is told of it."""

from __future__ import annotations

import json
import zipfile


def test_sign_and_show(place):
    file = place.folder / "code.zip"
    with zipfile.ZipFile(file, "w") as package:
        package.writestr("app.py", "x = 1\n")
    missing = place.run("sign", "zip", "code.zip", "mine")
    assert missing.returncode == 2
    assert "error[SIGN_PROFILE]" in missing.stderr
    assert "lambent sign profile mine" in missing.stderr
    made = json.loads(place.run("sign", "profile", "mine", "--json").stdout)
    unsigned = place.run("sign", "show", "code.zip", "--json")
    assert (unsigned.returncode, json.loads(unsigned.stdout)["signature"]) == (1, "unsigned")
    signed = place.run("sign", "zip", "code.zip", "mine", "-o", "signed.zip", "--json")
    assert json.loads(signed.stdout)["profileVersionArn"] == made["profileVersionArn"]
    shown = place.run("sign", "show", "signed.zip", "--json")
    told = json.loads(shown.stdout)
    assert (shown.returncode, told["signature"], told["valid"]) == (0, "signed", True)
    assert told["profileVersionArn"] == made["profileVersionArn"]
    again = place.run("sign", "zip", "signed.zip", "mine")
    assert again.returncode == 2
    assert "error[SIGN_PACKAGE]" in again.stderr
    (place.folder / "signed.zip").write_bytes((place.folder / "signed.zip").read_bytes() + b"!")
    changed = place.run("sign", "show", "signed.zip", "--json")
    assert (changed.returncode, json.loads(changed.stdout)["signature"]) == (1, "broken")
