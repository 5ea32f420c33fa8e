"""The listening socket."""

from __future__ import annotations

import socket


def listening_socket(host: str, port: int, send_buffer: int = 128 << 10) -> socket.socket:
    """Return a bound, listening socket for uvicorn; ``port`` 0 takes a free one.

    ``send_buffer`` (bytes) is inherited by each connection: with the kernel's own 4 MB a reader
    that died is seen only after 4 MB of events. Raises ``OSError`` when the address is taken.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        listener.bind(address)
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
