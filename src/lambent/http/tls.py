"""TLS from certificate files.

The front door gives `Settings.tls_cert` and `tls_key`; what comes back goes to `Server(tls=…)`.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from lambent.errors import ConfigurationError


def tls_context(cert: Path, key: Path) -> ssl.SSLContext:
    """A server context for a PEM chain and its key: TLS 1.2 or later, HTTP/1.1 by ALPN."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        # A password would be asked for on the terminal, where nobody sits.
        context.load_cert_chain(cert, key, password=_no_password)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"the certificate {cert} with the key {key} cannot be used: {error}",
            code="TLS_UNUSABLE",
            fix="give the PEM certificate chain and its unencrypted private key",
        ) from None
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted")
