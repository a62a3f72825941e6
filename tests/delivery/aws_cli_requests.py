"""What the AWS CLI would send, without a network: commands as JSON in, requests as JSON out.

A process of its own, because the AWS CLI brings another botocore under the same name.
"""

import io
import json
import sys

from awscli.clidriver import create_clidriver
from botocore.awsrequest import AWSResponse

BODIES = {
    "s3": b"<a/>",
    "ecr": b'{"authorizationData": [{"authorizationToken": "QVdTOng="}]}',
}


class Raw(io.BytesIO):
    def stream(self, **_):
        yield self.read()


def main():
    driver = create_clidriver()
    sent = []

    def answer(request, event_name, **_):
        service, operation = event_name.split(".")[1:]
        body = request.body
        text = body.decode() if isinstance(body, bytes) else body if isinstance(body, str) else None
        sent.append((operation, request.url, text))
        found = f"<a><{operation}Result/></a>".encode() if service == "iam" else BODIES.get(service)
        return AWSResponse(
            request.url, 200, {"content-type": "application/json"}, Raw(found or b"{}")
        )

    driver.session.register("before-send", answer)
    found = []
    shown, sys.stdout = sys.stdout, io.StringIO()
    for words in json.load(sys.stdin):
        del sent[:]
        code = driver.main(words)
        found.append({"words": words, "code": code, "sent": list(sent)})
    shown.write(json.dumps(found))


if __name__ == "__main__":
    main()
