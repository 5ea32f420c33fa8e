"""Decodes in a process of its own: neonize loads a Go runtime, which pytest must never hold.

One JSON object a line over an inherited socket. Run as
``python -m tests.unit.sessions.provider.neonize.decoding_child FD``. Stdout is the library's.
"""

from __future__ import annotations

import base64
import importlib
import json
import socket
import sys
from typing import Any, TypeAlias

import msgspec
from google.protobuf.json_format import ParseDict

from sessions import commands
from sessions.events import MessageReceived

Json: TypeAlias = Any  # what came as JSON, or a protobuf message: the library has no names here

_EMPTY_JID = {"User": "", "Server": "", "RawAgent": 0, "Device": 0, "Integrator": 0}
_FLAGS = (
    "IsEphemeral",
    "IsViewOnce",
    "IsViewOnceV2",
    "IsViewOnceV2Extension",
    "IsDocumentWithCaption",
    "IsLottieSticker",
    "IsEdit",
)


def jid(text: str) -> dict[str, Any]:
    """Return the fields of a ``JID`` for ``user:device@server``; all of them are required."""
    if not text:
        return dict(_EMPTY_JID)
    user, _, server = text.rpartition("@")
    user, _, device = user.partition(":")
    return _EMPTY_JID | {"User": user, "Server": server, "Device": int(device or 0)}


def jids(value: Json) -> Json:
    """Replace each ``"jid:…"`` string by the fields of that address, however deep."""
    if isinstance(value, dict):
        return {key: jids(item) for key, item in value.items()}
    if isinstance(value, list):
        return [jids(item) for item in value]
    if isinstance(value, str) and value.startswith("jid:"):
        return jid(value.removeprefix("jid:"))
    return value


class Child:
    """Decoders by session name, and what tests ask of them."""

    def __init__(self) -> None:
        self._decode = importlib.import_module("sessions.provider.neonize.decode")
        self._encode = importlib.import_module("sessions.provider.neonize.encode")
        self._core = importlib.import_module("sessions.provider.neonize.core")
        self._decoder: Any = None

    def do_new(self, own_pn: str, own_lid: str) -> None:
        """Begin a session that knows nobody but itself."""
        self._decoder = self._decode.Decoder("s1")
        self._decoder.addresses.own(own_pn, own_lid)

    def do_learn(self, lid: str, pn: str) -> None:
        """Tell the decoder who a LID is."""
        list(self._decoder.addresses.learn(lid, pn))

    def do_decode(self, code: int, event: dict[str, Any], drop: str = "") -> list[dict[str, Any]]:
        """Decode an event given as JSON.

        ``drop`` is a required field to leave out; a text's ``@@`` becomes two bytes that are
        no UTF-8, which Go lets pass.
        """
        kind = type(self._parse_empty(code))
        message = ParseDict(jids(event), kind())
        if drop:
            message.ClearField(drop)
        return self._told(code, message.SerializePartialToString().replace(b"@@", b"\xff\xfe"))

    def do_decode_bytes(self, code: int, data: str) -> list[dict[str, Any]]:
        """Decode raw bytes, given in base64."""
        return self._told(code, base64.b64decode(data))

    def do_message_bytes(self, info: dict[str, Any], data: str) -> list[dict[str, Any]]:
        """Decode a message whose content is raw bytes, as of a newer WhatsApp."""
        neonize = importlib.import_module("neonize.proto.Neonize_pb2")
        message = ParseDict(jids({"Info": info, **_required_flags()}), neonize.Message())
        message.Message.ParseFromString(base64.b64decode(data))
        return self._told(17, message.SerializeToString())

    def do_unnamed(self, code: int, event: dict[str, Any]) -> list[str]:
        """Return the LIDs that the decoder would ask the core for."""
        message = ParseDict(jids(event), type(self._parse_empty(code))())
        unnamed: list[str] = self._decoder.unnamed_lids(message)
        return unnamed

    def do_encode(self, command: dict[str, Any]) -> dict[str, Any]:
        """Return the message for a ``SendText``, as JSON."""
        json_format = importlib.import_module("google.protobuf.json_format")
        message = self._encode.text_message(msgspec.convert(command, commands.SendText))
        encoded: dict[str, Any] = json_format.MessageToDict(message)
        return encoded

    def do_dsn(self, store: str) -> str:
        """Return the database's name for a store, or the refusal."""
        try:
            name: str = self._core.dsn(store)
        except ValueError as error:
            return f"refused: {error}"
        return name

    def do_guard(self, store: str) -> list[str]:
        """Call everything on a client that was never connected; return what came of it."""
        key = importlib.import_module("sessions.ids").SessionKey("w", "s")
        core = self._core.Core(key, store, lambda _: None)
        lid = "200000000000002@lid"
        calls: list[tuple[Any, ...]] = [
            (core.pn_from_lid, lid),
            (core.send, lid, self._encode.text_message(commands.SendText(chat=lid, text="x"))),
            (core.mark_read, lid, lid, ("A",)),
            (core.logout,),
            (core.show_available,),
            (core.pairing_code, "5511999990001"),
        ]
        return [self._outcome(call, *arguments) for call, *arguments in calls]

    def do_client_name(self, workspace: str, session: str) -> str:
        """Return the name that Go knows a session by."""
        name: str = self._core.client_name((workspace, session))
        return name

    def _outcome(self, call: Json, *arguments: Json) -> str:
        try:
            call(*arguments)
        except self._core.CoreNotReady:
            return "refused"
        return "called"

    def _parse_empty(self, code: int) -> Json:
        return importlib.import_module("neonize.events").INT_TO_EVENT[code]()

    def _told(self, code: int, data: bytes) -> list[dict[str, Any]]:
        return [_plain(event) for event in self._decoder.decode(code, data)]


def _plain(event: Json) -> dict[str, Any]:
    """Return an event as JSON has it, with the encoded head opened."""
    plain: dict[str, Any] = msgspec.to_builtins(event)
    if isinstance(event, MessageReceived):
        plain["head"] = json.loads(event.head + b"}")
    return plain


def _required_flags() -> dict[str, Any]:
    flags: dict[str, Any] = dict.fromkeys(_FLAGS, False)
    return flags | {"UnavailableRequestID": "", "RetryCount": 0}


def main(fd: int) -> None:
    """Answer one line with one line until the parent closes."""
    child = Child()
    with socket.socket(fileno=fd) as line, line.makefile("r", encoding="utf-8") as requests:
        for text in requests:
            request = json.loads(text)
            answer = getattr(child, f"do_{request.pop('do')}")(**request)
            line.sendall(json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
