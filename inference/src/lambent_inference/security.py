"""What a request may reach. Every rule about it is here; the attack table is its test.

URLs: the scheme, the name and each address behind it are checked, the *checked* address is the one
connected to (a name that answers differently the second time gains nothing), and every redirect goes
through the same. Files, arrays and model ids follow below. All limits are the owner's settings; what
is refused is refused in the words that clients of the original know.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import stat
import string
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from msgspec import Struct

from lambent_inference.errors import InvalidImage, InvalidModelId
from lambent_inference.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]
CONFIGURATION: Final = "is not supported in this configuration of `inference`."
MODEL_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*(/[A-Za-z0-9_][A-Za-z0-9_.\-]*){0,3}")
DOMAIN: Final = re.compile(
    r"(?=.{4,253}\.?\Z)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+([a-z]{2,63}|xn--[a-z0-9-]{2,59})\.?",
    re.IGNORECASE,
)
PRIVATE_DOMAINS: Final = frozenset(
    {"local", "localhost", "localdomain", "internal", "intranet", "lan", "home", "corp", "private",
     "arpa", "onion", "invalid", "test"}
)  # fmt: skip
"""Endings that no public name has (RFC 6761, RFC 6762, ICANN's reserved ones)."""
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
EMBEDDING: Final = (
    # Networks whose addresses carry an IPv4 address that a gateway would really reach: its first bit.
    (ipaddress.IPv6Network("64:ff9b::/96"), 96),
    (ipaddress.IPv6Network("64:ff9b:1::/48"), 96),
    (ipaddress.IPv6Network("2002::/16"), 16),
    (ipaddress.IPv6Network("::/96"), 96),
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 96),
)


def checked_model_id(model_id: str) -> str:
    """`project/version`, or a name; never a path that leads elsewhere."""
    if len(model_id) > 256 or not MODEL_ID.fullmatch(model_id):
        raise InvalidModelId
    return model_id


# ── addresses ────────────────────────────────────────────────────────────────────────────────────


def public(address: IPAddress) -> bool:
    """Whether anybody on the internet could reach it, whatever dress it comes in."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return public(address.ipv4_mapped)
        if address.teredo is not None or address.is_site_local:
            return False
        for network, first_bit in EMBEDDING:
            if address in network:
                inner = int(address) >> (128 - first_bit - 32) & 0xFFFFFFFF
                return first_bit == 16 and public(ipaddress.IPv4Address(inner))
    return address.is_global and not address.is_multicast and not address.is_reserved


def literal(host: str) -> IPAddress | None:
    """The address that a host is, in any spelling that a resolver accepts; None for a name."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(
            socket.inet_aton(host)
        )  # 127.1, 0x7f.1, 2130706433, 0177.0.0.1
    except OSError:
        return None


def resolve(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


# ── URLs ─────────────────────────────────────────────────────────────────────────────────────────


class Fetcher(Struct, frozen=True):
    """Reads what a URL of a request points at. `resolver` comes from outside for tests of the rules."""

    settings: Settings
    resolver: Resolve = resolve

    def fetch(self, url: str) -> bytes:
        """The bytes behind a URL; blocks, so call it through `work.wait`."""
        from lambent_inference import transport

        end = time.monotonic() + self.settings.image_timeout_s
        for _ in range(self.settings.max_image_url_redirects + 1):
            split = self.check(url)
            addresses = self.addresses(split)
            headers = {"User-Agent": "lambent-inference", "Accept-Encoding": "identity"}
            try:
                with transport.exchange(
                    "GET",
                    split,
                    addresses=addresses,
                    headers=headers,
                    seconds=max(end - time.monotonic(), 0.001),
                ) as answer:
                    if answer.status not in REDIRECTS:
                        return self._body(answer)
                    url = urljoin(url, answer.headers.get("location", ""))
            except transport.TooMuch:
                raise InvalidImage(too_large(self.settings)) from None
            except transport.TransferFailed as error:
                raise InvalidImage(f"Error while loading image from url: {error}.") from None
        raise InvalidImage("Too many redirects while loading image from url.")

    def check(self, url: str) -> SplitResult:
        """The URL, if its scheme and its host may be asked for at all."""
        settings = self.settings
        if not settings.allow_url_input:
            raise InvalidImage(f"Providing images via URL {CONFIGURATION}")
        url = url if url.isascii() else quote(url, safe=string.punctuation)
        try:
            split = urlsplit(url)
            host, _ = (split.hostname or "").rstrip("."), split.port
        except ValueError:
            raise InvalidImage("Provided image URL is invalid.") from None
        unclean = any(c <= " " or c in "\x7f\\" for c in url) or "@" in split.netloc
        if split.scheme not in {"http", "https"} or not host or unclean:
            raise InvalidImage("Provided image URL is invalid.")
        if split.scheme != "https" and not settings.allow_non_https_url_input:
            raise InvalidImage(f"Providing images via non https:// URL {CONFIGURATION}")
        if not settings.allow_url_input_without_fqdn and not qualified(host):
            raise InvalidImage(f"Providing images via URL without FQDN {CONFIGURATION}")
        allowed, refused = (
            settings.whitelisted_destinations_for_url_input,
            settings.blacklisted_destinations_for_url_input,
        )
        if allowed and not listed(host, allowed):
            raise InvalidImage(
                "It is not allowed to reach image URL - prohibited by whitelisted destinations."
            )
        if listed(host, refused):
            raise InvalidImage(
                "It is not allowed to reach image URL - prohibited by blacklisted destinations."
            )
        return split

    def addresses(self, split: SplitResult) -> list[str]:
        """Where to connect. One private address among several refuses them all."""
        host = split.hostname or ""
        port = split.port or (443 if split.scheme == "https" else 80)
        if (given := literal(host)) is not None:
            found = [given]
        else:
            try:
                found = [
                    ipaddress.ip_address(address.partition("%")[0])
                    for address in self.resolver(host, port)
                ]
            except (OSError, ValueError):
                found = []
        if not found:
            raise InvalidImage("Error while loading image from url: the name cannot be resolved.")
        open_to_all = self.settings.allow_url_to_non_global_addresses
        if not open_to_all and not all(public(address) for address in found):
            raise InvalidImage("It is not allowed to reach image URL - its address is not public.")
        return [str(address) for address in found]

    def _body(self, answer: object) -> bytes:
        from lambent_inference import transport

        assert isinstance(answer, transport.Answer)
        if answer.status != 200:
            raise InvalidImage(
                f"Error while loading image from url: it answered with status {answer.status}."
            )
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise InvalidImage("Error while loading image from url: it is compressed.")
        return answer.read(self.settings.max_image_mb << 20)


def qualified(host: str) -> bool:
    """A name of the public tree: not an address in any spelling, not a bare or a private name."""
    if literal(host) is not None or not DOMAIN.fullmatch(host):
        return False
    return host.rstrip(".").rpartition(".")[2].lower() not in PRIVATE_DOMAINS


def listed(host: str, destinations: Sequence[str]) -> bool:
    """Whether a host or a domain above it is in a list."""
    lower = host.lower()
    return any(
        lower == one.lower() or lower.endswith("." + one.lower().lstrip("."))
        for one in destinations
    )


def too_large(settings: Settings) -> str:
    return f"it is larger than {settings.max_image_mb} MB (MAX_IMAGE_MB)."


# ── files and arrays ─────────────────────────────────────────────────────────────────────────────


def read_file(path: str, settings: Settings) -> bytes:
    """A picture on the server's own disk, where the owner allows that."""
    if not settings.allow_loading_images_from_local_filesystem:
        raise InvalidImage("Loading images from local filesystem is disabled.")
    limit = settings.max_image_mb << 20
    try:
        # Without waiting: a FIFO would keep the thread for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise InvalidImage("Provided path is not a file.")
            if facts.st_size > limit:
                raise InvalidImage(too_large(settings))
            return file.read(limit)
    except (OSError, ValueError):
        raise InvalidImage("Provided file cannot be read.") from None


def check_arrays(settings: Settings) -> None:
    """Whether arrays are taken at all; before anything of one is looked at."""
    if not settings.allow_numpy_input:
        raise InvalidImage(f"NumPy image type {CONFIGURATION}")


def read_array(data: bytes, settings: Settings) -> NDArray[np.uint8]:
    """The array in a `.npy` file. Its header is read and checked; nothing in it is ever executed."""
    check_arrays(settings)
    import io

    import numpy as np
    from numpy.lib import format as npy

    stream = io.BytesIO(data)
    try:
        version = npy.read_magic(stream)
        reader = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, kind = reader(stream, max_header_size=1000)
    except Exception:  # noqa: BLE001 - a broken header makes numpy's parser raise anything
        raise InvalidImage(
            "NumPy image must be an array in .npy format; pickles are never read."
        ) from None
    fits = len(shape) in {2, 3} and (len(shape) == 2 or shape[2] in {1, 3, 4})
    if kind != np.uint8 or not fits or fortran or any(size <= 0 for size in shape):
        raise InvalidImage(
            "NumPy image must have 8-bit pixels and the shape height x width x 1, 3 or 4."
        )
    if shape[0] * shape[1] > settings.max_image_megapixels * 1_000_000:
        raise InvalidImage(too_many_pixels(settings))
    raw = data[stream.tell() :]
    count = int(np.prod(shape, dtype=np.int64))
    if len(raw) != count:
        raise InvalidImage("NumPy image is cut off.")
    return np.frombuffer(raw, np.uint8).reshape(shape)


def too_many_pixels(settings: Settings) -> str:
    return f"it has more than {settings.max_image_megapixels} megapixels (MAX_IMAGE_MEGAPIXELS)."
