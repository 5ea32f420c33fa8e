"""A worker that misbehaves in one way. Run as a script: misbehaving.py HOW --fd N --provider P."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator

from sessions import commands as c, events as e
from sessions.ids import SessionKey
from sessions.worker import wire

_FOREVER = 3600.0
_A_WHILE = 0.5


def _frames(pipe: socket.socket) -> Iterator[wire.ToWorker]:
    reader = wire.worker_side()
    while data := pipe.recv(65536):
        yield from reader.feed(data)


def _say(pipe: socket.socket, frame: wire.FromWorker) -> None:
    pipe.sendall(wire.encode(frame))


def _ready(pipe: socket.socket) -> None:
    _say(pipe, wire.Ready(pid=os.getpid()))


def _serve(
    pipe: socket.socket,
    on_request: Callable[[wire.Request], None],
    on_shutdown: Callable[[], None] = lambda: sys.exit(0),
) -> None:
    for frame in _frames(pipe):
        match frame:
            case wire.Ping(number=number):
                _say(pipe, wire.Pong(number=number))
            case wire.Shutdown():
                on_shutdown()
            case wire.Request():
                on_request(frame)
            case wire.Confirm():
                pass


def _done(pipe: socket.socket) -> Callable[[wire.Request], None]:
    return lambda request: _say(pipe, wire.Reply(number=request.number, answer=c.Done()))


def never_ready(_: socket.socket) -> None:
    """Say nothing at all."""
    time.sleep(_FOREVER)


def cannot_start(_: socket.socket) -> None:
    """End as a machine without the core does."""
    sys.exit(78)


def ends_at_once(_: socket.socket) -> None:
    """End before it is ready."""
    sys.exit(1)


def deaf(pipe: socket.socket) -> None:
    """Be ready, then answer nothing."""
    _ready(pipe)
    time.sleep(_FOREVER)


def silent(pipe: socket.socket) -> None:
    """Live, but answer no command."""
    _ready(pipe)
    _serve(pipe, lambda _: None)


def garbage(pipe: socket.socket) -> None:
    """Write a frame that is none."""
    _ready(pipe)
    pipe.sendall(b"\x00\x00\x00\x02\xc1\xc1")
    time.sleep(_FOREVER)


def oversized(pipe: socket.socket) -> None:
    """Announce a frame of 4 GiB."""
    _ready(pipe)
    pipe.sendall(b"\xff\xff\xff\xff")
    time.sleep(_FOREVER)


def crashes_on_command(pipe: socket.socket) -> None:
    """Die of the first text that is to be sent."""
    _ready(pipe)

    def handle(request: wire.Request) -> None:
        if isinstance(request.command, c.SendText):
            os.abort()
        _done(pipe)(request)

    _serve(pipe, handle)


def refuses_start(pipe: socket.socket) -> None:
    """Refuse to open any session."""
    _ready(pipe)
    refusal = c.Refused(kind="command_failed", message="no")
    _serve(pipe, lambda r: _say(pipe, wire.Reply(number=r.number, answer=refusal)))


def ignores_probes(pipe: socket.socket) -> None:
    """Connect, and never answer whether the line lives."""
    _ready(pipe)

    def handle(request: wire.Request) -> None:
        if isinstance(request.command, c.Probe):
            return
        _done(pipe)(request)
        if isinstance(request.command, c.Start):
            body = e.Connected(jid="5511900000001@s.whatsapp.net", lid=None, name=None)
            where = (request.workspace, request.session)
            event = wire.Emitted(workspace=where[0], session=where[1], sequence=1, body=body)
            _say(pipe, event)

    _serve(pipe, handle)


def marks(pipe: socket.socket) -> None:
    """Tell marked events at each start, and each confirmation as an event; die at a stop."""
    _ready(pipe)
    for frame in _frames(pipe):
        if isinstance(frame, wire.Confirm):
            _tell(pipe, SessionKey(frame.workspace, frame.session), frame.mark, 0)
        elif isinstance(frame, wire.Request):
            key = SessionKey(frame.workspace, frame.session)
            if isinstance(frame.command, c.Stop):
                os._exit(1)
            _done(pipe)(frame)
            for mark in range(101, 131):
                _tell(pipe, key, mark, mark)


def _tell(pipe: socket.socket, key: SessionKey, percent: int, mark: int) -> None:
    body = e.HistoryProgress(percent=percent, done=False)
    emitted = wire.Emitted(workspace=key[0], session=key[1], sequence=1, mark=mark, body=body)
    _say(pipe, emitted)


def answers_late(pipe: socket.socket) -> None:
    """Take a while to send, and end at once when told to."""
    _ready(pipe)

    def handle(request: wire.Request) -> None:
        if isinstance(request.command, c.SendText):
            threading.Timer(_A_WHILE, _done(pipe), (request,)).start()
        else:
            _done(pipe)(request)

    _serve(pipe, handle, lambda: os._exit(0))


def slow_to_drain(pipe: socket.socket) -> None:
    """Ignore that it is to end."""
    _ready(pipe)
    _serve(pipe, _done(pipe), lambda: None)


def loud(pipe: socket.socket) -> None:
    """Print a megabyte without a line's end, and nonsense, to both pipes; then work."""
    for stream in (1, 2):
        for _ in range(16):
            os.write(stream, b"\xff" * 65536)
        os.write(stream, b'\n{"frame":"ready"}\n')
    _ready(pipe)
    _serve(pipe, _done(pipe))


def last_words(pipe: socket.socket) -> None:
    """Report much right before it ends."""
    _ready(pipe)
    keys: list[wire.Request] = []

    def end() -> None:
        for number in range(1, 501):
            body = e.HistoryProgress(percent=number, done=False)
            _say(
                pipe,
                wire.Emitted(
                    workspace=keys[0].workspace,
                    session=keys[0].session,
                    sequence=number,
                    body=body,
                ),
            )
        os._exit(0)

    def handle(request: wire.Request) -> None:
        keys.append(request)
        _done(pipe)(request)

    _serve(pipe, handle, end)


def leaves_a_child(pipe: socket.socket) -> None:
    """End while a child of its own holds all its pipes open."""
    _ready(pipe)
    if os.fork() == 0:
        time.sleep(_FOREVER)
    os._exit(0)


if __name__ == "__main__":
    how, arguments = sys.argv[1], sys.argv[2:]
    end = socket.socket(fileno=int(arguments[arguments.index("--fd") + 1]))
    globals()[how](end)
