"""When a connection that is kept alive ends: never over a request."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

from daemon.transports import uvicorn_protocols
from daemon.transports.sockets import listening_socket
from tests.integration.streaming import QuietServer

KEEP_ALIVE = 1
"""Seconds: uvicorn takes whole ones."""
PATIENCE = 10.0
REQUEST = b"GET / HTTP/1.1\r\nHost: zapd\r\n\r\n"


class Busy(asyncio.Protocol):
    """Holds the loop up where it polls, as much work in few callbacks does."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.leave = threading.Event()

    def data_received(self, data: bytes) -> None:
        """Stand still until told otherwise."""
        self.entered.set()
        self.leave.wait(PATIENCE)


class Served(NamedTuple):
    """A client's connection to a server in a thread, and what holds the server up."""

    client: socket.socket
    busy: Busy
    trigger: socket.socket

    def ask(self) -> bytes:
        """Send a request and return the answer."""
        self.client.sendall(REQUEST)
        return self.client.recv(4096)


async def _answer(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def served() -> Iterator[Served]:
    """Yield a client of a server on uvloop, as the daemon's is."""
    listener, busy, (trigger, triggered) = (
        listening_socket("127.0.0.1", 0),
        Busy(),
        socket.socketpair(),
    )
    config = uvicorn.Config(
        _answer,
        http=uvicorn_protocols.HttpProtocol,
        lifespan="off",
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE,
    )
    server = QuietServer(config)

    async def serve() -> None:
        await asyncio.get_running_loop().create_connection(lambda: busy, sock=triggered)
        await server.serve(sockets=[listener])

    thread = threading.Thread(target=lambda: uvloop.run(serve()))
    thread.start()
    with socket.create_connection(listener.getsockname(), PATIENCE) as client, trigger:
        yield Served(client, busy, trigger)
        busy.leave.set()
        server.should_exit = True
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_request_that_came_before_the_end_is_answered(served: Served) -> None:
    """It lies unread while the loop is busy, and the connection's time runs out meanwhile."""
    assert served.ask().endswith(b"ok")
    served.trigger.sendall(b"x")
    assert served.busy.entered.wait(PATIENCE)
    served.client.sendall(REQUEST)
    time.sleep(KEEP_ALIVE * 1.1)
    served.busy.leave.set()
    assert served.client.recv(4096).endswith(b"ok")


def test_an_idle_connection_is_closed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once its time is over, and nothing more came."""
    monkeypatch.setattr(uvicorn_protocols, "LAST_LOOK_SECONDS", 0.1)
    began = time.monotonic()
    assert served.ask().endswith(b"ok")
    assert served.client.recv(4096) == b""
    assert time.monotonic() - began > KEEP_ALIVE
