"""What a cluster says of the sockets of its connections (``upstream_connection_options``, ``upstream_bind_config``)."""

import errno
import socket

from shifter.model.cluster import UpstreamConnectionOptions

IP_FREEBIND = 15
IP_BIND_ADDRESS_NO_PORT = 24
"""Options of Linux that the ``socket`` module does not name."""


def prepare(sock: socket.socket, options: UpstreamConnectionOptions) -> int:
    """Set what *options* say of a TCP socket; return the system's error number, 0 for none."""
    try:
        if (keepalive := options.tcp_keepalive) is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in (
                (socket.TCP_KEEPCNT, keepalive.keepalive_probes),
                (socket.TCP_KEEPIDLE, keepalive.keepalive_time),
                (socket.TCP_KEEPINTVL, keepalive.keepalive_interval),
            ):
                if value is not None:
                    sock.setsockopt(socket.IPPROTO_TCP, option, value)
        for source in options.source_addresses:
            if (":" in source.host) == (sock.family == socket.AF_INET6):
                if options.freebind:
                    sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
                if not source.port:
                    sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)  # a port is used up for one endpoint only
                sock.bind((source.host, source.port))
                break
    except OSError as error:
        return error.errno or errno.EINVAL
    return 0
