"""The real neonize core in a process of its own, for the end-to-end test of the loopback alone.

Speaks one JSON object a line over an inherited socket; stdout is Go's, which prints there.
Run as `python -m tests.loopback._core_child FD PORT ROOT_HEX FOLDER` from the repository's root.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from .redirect import redirect

_DSN = "?_foreign_keys=on&_journal_mode=WAL&_synchronous=NORMAL&_busy_timeout=10000&_x="


class CoreChild:
    """One client of the core, its events as lines out, and commands as lines in."""

    def __init__(self, line: socket.socket, folder: Path) -> None:
        """`folder` holds the client's database."""
        client = importlib.import_module("neonize.client")
        self._events: Any = importlib.import_module("neonize.events")
        self._client: Any = client.NewClient(f"{folder}/session.db{_DSN}", uuid="core-child")
        self._exceptions: Any = importlib.import_module("neonize.exc")
        self._messages: dict[str, Any] = {}
        self._line = line
        self._writing = threading.Lock()
        self._listen()

    def obey(self) -> None:
        """Carries out commands until the parent closes the line."""
        for text in self._line.makefile("r", encoding="utf-8"):
            command: dict[str, str] = json.loads(text)
            getattr(self, f"do_{command.pop('do')}")(**command)

    def do_connect(self) -> None:
        """Connects in a thread: the core's call lasts as long as the session."""
        threading.Thread(target=self._client.connect, daemon=True).start()

    def do_send(self, to: str, text: str) -> None:
        """Sends a text to a number."""
        utils = importlib.import_module("neonize.utils")
        sent = self._client.send_message(utils.build_jid(to), text)
        self._say("sent", wa_id=sent.ID)

    def do_link(self, number: str) -> None:
        """Asks for a code to be typed into the phone."""
        self._say("code", code=self._client.PairPhone(number, show_push_notification=True))

    def do_download(self, wa_id: str) -> None:
        """Fetches the file of a message, in a thread: the core sets no time for it."""
        threading.Thread(target=self._download, args=(wa_id,), daemon=True).start()

    def _download(self, wa_id: str) -> None:
        try:
            data: bytes = self._client.download_any(self._messages[wa_id])
        except self._exceptions.DownloadError as error:
            self._say("not_downloaded", why=str(error))
        else:
            digest = hashlib.sha256(data).hexdigest()
            self._say("downloaded", size=len(data), sha256=digest)

    def do_logout(self) -> None:
        """Ends the link from this side."""
        self._client.logout()

    def do_check(self, number: str) -> None:
        """Asks whether a number has WhatsApp."""
        found = self._client.is_on_whatsapp(number)
        self._say("checked", known=[bool(entry.IsIn) for entry in found])

    def _listen(self) -> None:
        self._client.event.qr(lambda _, code: self._say("qr", code=code.decode()))
        handlers = {
            "ConnectedEv": lambda _: self._say("connected"),
            "DisconnectedEv": lambda _: self._say("disconnected"),
            "StreamReplacedEv": lambda _: self._say("replaced"),
            "LoggedOutEv": lambda _: self._say("logged_out"),
            "ConnectFailureEv": lambda event: self._say("refused", reason=str(event.Reason)),
            "MessageEv": self._on_message,
            "ReceiptEv": self._on_receipt,
            "ChatPresenceEv": lambda event: self._say("typing", state=event.State),
            "HistorySyncEv": self._on_history,
        }
        for name, handler in handlers.items():
            self._client.event(getattr(self._events, name))(_without_client(handler))

    def _on_message(self, event: Any) -> None:  # noqa: ANN401 - neonize has no types
        source = event.Info.MessageSource
        who = {"chat": source.Chat.User, "from_me": source.IsFromMe}
        text = event.Message.conversation or event.Message.extendedTextMessage.text
        self._messages[event.Info.ID] = event.Message
        self._say("message", wa_id=event.Info.ID, text=text, **who)

    def _on_receipt(self, event: Any) -> None:  # noqa: ANN401 - neonize has no types
        self._say("receipt", wa_ids=list(event.MessageIDs), kind=event.Type)

    def _on_history(self, event: Any) -> None:  # noqa: ANN401 - neonize has no types
        chats = [chat.ID for chat in event.Data.conversations]
        names = [name.pushname for name in event.Data.pushnames]
        self._say("history", chats=chats, names=names, progress=event.Data.progress)

    def _say(self, event: str, **fields: object) -> None:
        with self._writing:
            self._line.sendall(json.dumps({"event": event, **fields}).encode() + b"\n")


def _without_client(handler: Any) -> Any:  # noqa: ANN401 - neonize has no types
    return lambda _client, event: handler(event)


def main(argv: list[str]) -> None:
    """Loads the core, points it at the loopback, and obeys."""
    fd, port, root, folder = argv
    quiet: Any = importlib.import_module("neonize.utils")
    quiet.log.setLevel(logging.ERROR)
    library = importlib.import_module("neonize._binder").gocode._name  # noqa: SLF001 - ctypes has no public name
    redirect(Path(library), int(port), bytes.fromhex(root))
    CoreChild(socket.socket(fileno=int(fd)), Path(folder)).obey()
    os._exit(0)  # the core's threads end no other way


if __name__ == "__main__":
    main(sys.argv[1:])
