"""The parent's end of ``decoding_child``, and the library's events as short JSON."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeAlias

from sessions.ids import inbound_message_id

Json: TypeAlias = Any  # whatever JSON can hold: no closer type serves a table of tests

_REPOSITORY = Path(__file__).parents[5]

OWN_PN, OWN_LID = "5511900000001@s.whatsapp.net", "100000000000001@lid"
ALICE_PN, ALICE_LID = "5511999990001@s.whatsapp.net", "200000000000002@lid"
BOB_PN, BOB_LID = "5511999990002@s.whatsapp.net", "200000000000003@lid"
GROUP = "120363000000000001@g.us"
AT, AT_ISO = 1_790_000_000_000, "2026-09-21T14:13:20.000Z"
SECONDS = AT // 1000

HISTORY_SYNC, MESSAGE, RECEIPT, CHAT_PRESENCE, PRESENCE = 13, 17, 18, 19, 20
JOINED_GROUP, GROUP_INFO, OFFLINE_PREVIEW, OFFLINE_COMPLETED = 21, 22, 26, 27
CALL_OFFER, CALL_ACCEPT, CALL_NOTICE, CALL_END, UNDECRYPTABLE = 36, 37, 40, 42, 44


class Decoding:
    """A running child."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", f"{__package__}.decoding_child", str(theirs.fileno())]
        with theirs:
            self._process = subprocess.Popen(
                command, cwd=_REPOSITORY, pass_fds=(theirs.fileno(),), stdout=subprocess.DEVNULL
            )
        self._line = ours
        self._answers = ours.makefile("r", encoding="utf-8")

    def ask(self, do: str, **arguments: Json) -> Json:
        """Return the child's answer."""
        self._line.sendall(json.dumps({"do": do, **arguments}).encode() + b"\n")
        answer = self._answers.readline()
        assert answer, f"the child ended with {self._process.wait()}"
        return json.loads(answer)

    def decode(self, code: int, event: dict[str, Any], **more: Json) -> list[dict[str, Any]]:
        """Return what the decoder tells of an event."""
        told: list[dict[str, Any]] = self.ask("decode", code=code, event=event, **more)
        return told

    def message(self, content: dict[str, Any], **info: Json) -> list[dict[str, Any]]:
        """Return what the decoder tells of Alice's message; ``info`` as for ``message``."""
        return self.decode(MESSAGE, message(content, **info))

    def close(self) -> None:
        """End the child."""
        self._answers.close()
        self._line.close()
        self._process.wait(10)


def source(
    chat: str = ALICE_LID,
    sender: str | None = None,
    *,
    sender_alt: str = ALICE_PN,
    recipient_alt: str = "",
    from_me: bool = False,
) -> dict[str, Any]:
    """Return a ``MessageSource``."""
    return {
        "Chat": f"jid:{chat}",
        "Sender": f"jid:{chat if sender is None else sender}",
        "IsFromMe": from_me,
        "IsGroup": chat.endswith("@g.us"),
        "SenderAlt": f"jid:{sender_alt}",
        "RecipientAlt": f"jid:{recipient_alt}",
        "BroadcastListOwner": "jid:",
    }


def info(
    wa_id: str = "WA1", name: str = "Alice", category: str = "", **where: Json
) -> dict[str, Any]:
    """Return a ``MessageInfo``."""
    return {
        "MessageSource": source(**where),
        "ID": wa_id,
        "ServerID": 0,
        "Type": "text",
        "Pushname": name,
        "Timestamp": AT,
        "Category": category,
        "Multicast": False,
        "MediaType": "",
        "Edit": "",
    }


def message(content: dict[str, Any], flags: tuple[str, ...] = (), **about: Json) -> dict[str, Any]:
    """Return a ``Message`` event; ``flags`` are the booleans that are set."""
    names = ("IsEphemeral", "IsViewOnce", "IsViewOnceV2", "IsViewOnceV2Extension", "IsEdit")
    booleans = {
        name: name in flags for name in (*names, "IsDocumentWithCaption", "IsLottieSticker")
    }
    return {
        "Info": info(**about),
        "Message": content,
        **booleans,
        "UnavailableRequestID": "",
        "RetryCount": 0,
    }


def only(told: list[dict[str, Any]], event: str) -> dict[str, Any]:
    """Return the one event of this kind."""
    found = [item for item in told if item["event"] == event]
    assert len(found) == 1, told
    return found[0]


def message_id(wa_id: str, sender: str = ALICE_PN, chat: str = ALICE_PN) -> str:
    """Return our id of a message in session ``s1``."""
    return inbound_message_id("s1", chat, sender, wa_id)
