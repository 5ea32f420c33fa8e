"""A worker that has much to say before it lets a session go. Run as a script: --fd N --provider P."""

from __future__ import annotations

import os
import socket
import sys

from sessions import commands as c, events as e
from sessions.ids import SessionKey
from sessions.worker import wire

LAST_WORDS = 200


class Talker:
    """Opens what is to be opened; at a stop, or at the end, drains it."""

    def __init__(self, pipe: socket.socket) -> None:
        self._pipe = pipe
        self._open: list[SessionKey] = []

    def run(self) -> None:
        """Serve until the end."""
        self._say(wire.Ready(pid=os.getpid()))
        reader = wire.worker_side()
        while data := self._pipe.recv(65536):
            for frame in reader.feed(data):
                self._handle(frame)

    def _handle(self, frame: wire.ToWorker) -> None:
        match frame:
            case wire.Ping(number=number):
                self._say(wire.Pong(number=number))
            case wire.Request():
                self._answer(frame)
            case wire.Shutdown():
                for key in self._open:
                    self._drain(key)
                os._exit(0)
            case wire.Confirm():
                pass

    def _answer(self, request: wire.Request) -> None:
        key = SessionKey(request.workspace, request.session)
        if isinstance(request.command, c.Start):
            self._open.append(key)
        elif isinstance(request.command, c.Stop):
            self._drain(key)
            self._open.remove(key)
        self._say(wire.Reply(number=request.number, answer=c.Done()))

    def _drain(self, key: SessionKey) -> None:
        for percent in range(LAST_WORDS):
            body = e.HistoryProgress(percent=percent, done=False)
            self._say(
                wire.Emitted(workspace=key[0], session=key[1], sequence=percent + 1, body=body)
            )

    def _say(self, frame: wire.FromWorker) -> None:
        self._pipe.sendall(wire.encode(frame))


if __name__ == "__main__":
    Talker(socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))).run()
