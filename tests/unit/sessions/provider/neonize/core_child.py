"""Real clients of the core in a process of their own, each call asked for by name.

One JSON object a line over an inherited socket, answered one by one. Run as
``python -m tests.unit.sessions.provider.neonize.core_child FD PORT ROOT_HEX``.
"""

from __future__ import annotations

import gc
import importlib
import json
import socket
import sys
import threading
from typing import Any

from sessions.commands import SendText
from sessions.ids import SessionKey
from tests.loopback.worker import redirect_core

_PATIENCE = 20.0
_A_MOMENT = 0.3  # seconds: what is not held up is done long before

Client = Any  # a ``Core``: its type would load the library


class Child:
    """Clients by name, what they handed over, and calls that may be held up."""

    def __init__(self) -> None:
        self._core = importlib.import_module("sessions.provider.neonize.core")
        self._encode = importlib.import_module("sessions.provider.neonize.encode")
        self._clients: dict[str, Client] = {}
        self._taken: dict[str, list[tuple[int, bytes]]] = {}
        self._arrived = threading.Condition()
        self._held_up: threading.Thread | None = None
        self._logged = 0
        log = self._core.log_whatsmeow

        def count(*arguments: Any) -> Any:  # noqa: ANN401 - whatever the library hands over
            self._logged += 1
            return log(*arguments)

        vars(self._core)["log_whatsmeow"] = count

    def do_make(self, name: str, session: str, store: str) -> str:
        """Make a client of a session."""

        def take(raw: tuple[int, bytes]) -> None:
            with self._arrived:
                self._taken[name].append(raw)
                self._arrived.notify_all()

        self._taken[name] = []
        self._clients[name] = self._core.Core(SessionKey("w", session), store, take)
        return "made"

    def do_call(self, name: str, method: str, arguments: list[Any]) -> str:
        """Call a client; return what came of it."""
        return self._outcome(name, method, arguments)

    def do_drop(self, name: str) -> str:
        """Forget a client, and collect what is left of it."""
        del self._clients[name]
        gc.collect()
        return "dropped"

    def do_event(self, name: str, code: int, seconds: float = _PATIENCE) -> str | None:
        """Return what came with this number, waiting for it; None where nothing does."""

        def found() -> list[bytes]:
            return [data for number, data in self._taken[name] if number == code]

        with self._arrived:
            self._arrived.wait_for(found, seconds)
            return found()[0].decode(errors="replace") if found() else None

    def do_count(self, name: str, code: int, at_least: int = 0) -> int:
        """Return how many events with this number came, waiting for so many."""

        def count() -> int:
            return sum(number == code for number, _ in self._taken[name])

        with self._arrived:
            self._arrived.wait_for(lambda: count() >= at_least, _PATIENCE)
            return count()

    def do_hold(self, how: str) -> bool:
        """Hold the lock around Go: ``read`` as a call does, ``write`` as a start does."""
        lock = self._core.GO_LOCK
        return (
            bool(lock.acquire_write(_PATIENCE)) if how == "write" else lock.acquire_read() is None
        )

    def do_release(self, how: str) -> str:
        """Release the lock; return the outcome of the call that it held up, if any."""
        lock = self._core.GO_LOCK
        lock.release_write() if how == "write" else lock.release_read()
        if self._held_up is not None:
            self._held_up.join(_PATIENCE)
        return "released"

    def do_is_held_up(self, name: str, method: str, arguments: list[Any]) -> bool:
        """Begin a call; tell whether it waits for something."""
        target = (name, method, arguments)
        self._held_up = threading.Thread(target=self._outcome, args=target, daemon=True)
        self._held_up.start()
        self._held_up.join(_A_MOMENT)
        return self._held_up.is_alive()

    def do_logged(self) -> int:
        """Return how many lines the library logged."""
        return self._logged

    def _outcome(self, name: str, method: str, arguments: list[Any]) -> str:
        call = getattr(self._clients[name], method)
        if method == "send":
            chat, text = arguments
            arguments = [chat, self._encode.text_message(SendText(chat=chat, text=text))]
        keywords = {"is_typing": True, "is_audio": False} if method == "show_typing" else {}
        try:
            answer = call(*arguments, **keywords)
        except self._core.CoreNotReady:
            return "refused"
        return str(getattr(answer, "ID", answer))


def main(fd: int, port: int, root_key: bytes) -> None:
    """Answer one line with one line until the parent closes."""
    redirect_core(port, root_key)
    child = Child()
    with socket.socket(fileno=fd) as line, line.makefile("r", encoding="utf-8") as requests:
        for text in requests:
            request = json.loads(text)
            answer = getattr(child, f"do_{request.pop('do')}")(**request)
            line.sendall(json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), bytes.fromhex(sys.argv[3]))
