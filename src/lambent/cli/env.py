"""`eval "$(lambent env)"`: boto3, the AWS CLI and SDKs speak to this server from then on.

It prints exports even when piped, because that is how it is used; `--json` gives an object.
"""

from __future__ import annotations

import json
import os
import shlex
from typing import Final

import click

from lambent.cli.options import Options, Verb

_SERVED: Final = ("LAMBDA", "CLOUDWATCH_LOGS", "CLOUDFORMATION", "STS")
_UNLESS_SET: Final = ("S3", "IAM")


@click.command(cls=Verb)
@click.pass_obj
def command(options: Options) -> None:
    """Print exports for other tools: eval "$(lambent env)"."""
    aws = options.target()
    facts: dict[str, str] = {}
    if aws.endpoint_url:
        facts |= {f"AWS_ENDPOINT_URL_{name}": aws.endpoint_url for name in _SERVED}
        # A server whose settings name those leaves them to whoever has set the same here.
        for name in _UNLESS_SET:
            if os.environ.get(f"AWS_ENDPOINT_URL_{name}") in (None, aws.endpoint_url):
                facts[f"AWS_ENDPOINT_URL_{name}"] = aws.endpoint_url
        # Live tail would otherwise look for stream-127.0.0.1.
        facts["AWS_DISABLE_HOST_PREFIX_INJECTION"] = "true"
        facts["LAMBENT_ENDPOINT_URL"] = aws.endpoint_url
    facts["AWS_DEFAULT_REGION"] = aws.region_name
    frozen = aws.session.get_credentials()
    if aws.endpoint_url and frozen is not None and frozen.access_key == "lambent":
        # Any credentials are accepted on loopback; clients refuse to work without some.
        facts |= {"AWS_ACCESS_KEY_ID": "lambent", "AWS_SECRET_ACCESS_KEY": "lambent"}
    if options.json:
        print(json.dumps(facts))
        return
    for name, value in facts.items():
        print(f"export {name}={shlex.quote(value)}")
