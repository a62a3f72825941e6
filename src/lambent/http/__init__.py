"""The one HTTP/1.1 server, for the front door, function URLs, the console and the Runtime API.

It knows nothing of Lambda. `Server` accepts, `Connection` reads and writes, a handler gets an
`Exchange`; what is refused is refused before any handler sees it. Start reading at `server.py`.
"""

from lambent.http.exchange import Exchange
from lambent.http.faults import PeerGone
from lambent.http.headers import Headers
from lambent.http.limits import Limits
from lambent.http.server import Handler, Listener, Server
from lambent.http.tls import tls_context

__all__ = [
    "Exchange",
    "Handler",
    "Headers",
    "Limits",
    "Listener",
    "PeerGone",
    "Server",
    "tls_context",
]
