"""The host's loopback, abstract sockets and other environments' ports are out of reach."""

import os
import socket

for port in (int(os.environ["HOST_PORT"]), 9001):
    try:
        socket.create_connection(("127.0.0.1", port), 2)
    except OSError:
        continue
    raise SystemExit(f"connected to port {port}")
try:
    socket.socket(socket.AF_UNIX).connect("\0" + os.environ["HOST_ABSTRACT"])
except OSError:
    pass
else:
    raise SystemExit("connected to an abstract socket of the host")
try:
    socket.create_connection(("192.0.2.1", 80), 2)
except OSError as error:
    assert error.errno == 101, error  # network is unreachable: there is none
else:
    raise SystemExit("left the machine")
# What is ours works.
with socket.create_server(("127.0.0.1", 8080)) as server:
    socket.create_connection(server.getsockname(), 2).close()
assert [name for _, name in socket.if_nameindex()] == ["lo"]
