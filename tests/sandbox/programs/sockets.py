"""Only Unix, IP and routing netlink sockets; no raw ones."""

import errno
import socket


def refused(*arguments):
    try:
        socket.socket(*arguments).close()
    except OSError as error:
        return error.errno
    return None


assert refused(socket.AF_INET, socket.SOCK_RAW, 1) == errno.EPERM
assert refused(socket.AF_INET6, socket.SOCK_RAW, 58) == errno.EPERM
for family in (3, 4, 9, 15, 17, 21, 29, 30, 31, 38, 40, 44, 45):  # packet, key, alg, vsock, xdp, …
    assert refused(family, socket.SOCK_DGRAM, 0) == errno.EAFNOSUPPORT, family
    assert refused(family, socket.SOCK_RAW, 0) == errno.EAFNOSUPPORT, family
assert refused(socket.AF_NETLINK, socket.SOCK_RAW, 9) == errno.EAFNOSUPPORT  # audit
assert refused(socket.AF_NETLINK, socket.SOCK_RAW, 0) is None
assert refused(socket.AF_UNIX, socket.SOCK_STREAM, 0) is None
assert refused(socket.AF_INET6, socket.SOCK_STREAM, 0) is None
