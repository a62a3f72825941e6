"""boto3 clients for a stack: this very server for what it serves, the configured endpoint else.

The server's own are signed with the access key of whoever asked for the stack, so that what the
stack does is what that caller may do; where signatures are not verified, the account's number as
key says for whom.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from lambent.control.aws_clients import AwsClients
from lambent.settings import Settings
from lambent.stacks import own_pages
from lambent.stacks.errors import ResourceError

OURS: Final = frozenset({"lambda", "logs"})
UNLESS_CONFIGURED: Final = frozenset({"iam", "s3"})
"""Here, too, as long as the settings name no other."""


class OwnClients:
    """Makes the clients; called in threads."""

    def __init__(
        self,
        settings: Settings,
        companions: AwsClients,
        secret_of: Callable[[str], str | None] | None = None,
    ) -> None:
        """`secret_of` knows the secrets of access keys; None means those of `auth_keys`."""
        self._settings = settings
        self._secret_of = secret_of or settings.auth_keys.get
        self._companions = companions
        self._url = ""
        self._made: dict[tuple[str, str, str], Any] = {}
        self._making = threading.Lock()

    def listening(self, url: str) -> None:
        """The server has an address now."""
        self._url = url

    def companion(self, service: str, region: str) -> Any:
        """Of a service beside this one, wherever the server's settings find it."""
        return self._companions.client(service, region)

    def has_endpoint(self, service: str) -> bool:
        return self._companions.endpoint(service) is not None

    def client(self, service: str, account: str, region: str, access_key: str) -> Any:
        """Raises `ResourceError` for a service that nobody has named an endpoint for."""
        if service not in OURS and not self._stands_in(service):
            if not self.has_endpoint(service):
                raise ResourceError(
                    f"There is no {service} here: name its endpoint with the server's setting "
                    f"aws_endpoint_url, or AWS_ENDPOINT_URL_{service.upper()}"
                )
            return self._companions.client(service, region)
        return self._own(service, account, region, access_key)

    def page(
        self,
        account: str,
        region: str,
        access_key: str,
        method: str,
        path: str,
        document: dict[str, Any] | None,
    ) -> dict[str, Any]:
        """The answer of one of this server's own pages; raises `ResourceError`."""
        client = self._own("lambda", account, region, access_key)
        return own_pages.ask(client, self._settings.tls_cert, method, path, document)

    def _stands_in(self, service: str) -> bool:
        return service in UNLESS_CONFIGURED and not self.has_endpoint(service)

    def _own(self, service: str, account: str, region: str, access_key: str) -> Any:
        secret = self._secret_of(access_key)
        key = (access_key if secret else account, service, region)
        with self._making:
            if key not in self._made:
                self._made[key] = self._make(service, region, key[0], secret or "stack")
            return self._made[key]

    def _make(self, service: str, region: str, key: str, secret: str) -> Any:
        import boto3
        from botocore.config import Config

        verify: dict[str, Any] = {}
        if self._settings.tls_cert is not None:
            verify = {"verify": str(self._settings.tls_cert)}
        return boto3.session.Session().client(
            service,  # type: ignore[call-overload]  # stubs want a literal
            region_name=region,
            endpoint_url=self._url,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=Config(
                read_timeout=120, retries={"max_attempts": 2, "mode": "standard"},
                connect_timeout=5, s3={"addressing_style": "path"},
            ),
            **verify,
        )  # fmt: skip

    def close(self) -> None:
        for client in self._made.values():
            client.close()
