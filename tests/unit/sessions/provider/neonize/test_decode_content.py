"""Each kind of message, as clients read it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.unit.sessions.provider.neonize.decoding import AT, AT_ISO, GROUP, Decoding, only

_PIXEL = base64.b64encode(b"\xff\xd8jpeg").decode()
_MEDIA: dict[str, Any] = dict.fromkeys(
    ("mime", "size", "file_name", "width", "height", "seconds", "thumbnail", "url")
)
_POLL = {
    "name": "Lunch?",
    "options": [{"optionName": "yes"}, {"optionName": "no"}],
    "selectableOptionsCount": 1,
}
_POLL_CONTENT = {"kind": "poll", "question": "Lunch?", "options": ["yes", "no"], "selectable": 1}
_IMAGE = {"mimetype": "image/jpeg", "fileLength": "9", "width": 2, "height": 3}
_IMAGE_MEDIA = {"kind": "image", "mime": "image/jpeg", "size": 9, "width": 2, "height": 3}
_CARD = {"displayName": "Bob", "vcard": "BEGIN:VCARD"}


def _wrapped(*wrappers: str, inner: dict[str, Any]) -> dict[str, Any]:
    for wrapper in reversed(wrappers):
        inner = {wrapper: {"message": inner}}
    return inner


def _unsupported(name: str) -> dict[str, Any]:
    return {"type": "unsupported", "content": {"kind": "unsupported", "name": name}}


def _note(name: str) -> dict[str, Any]:
    return {"type": "system", "content": {"kind": "system", "name": name}}


KINDS = {
    "text": ({"conversation": "oi"}, {"type": "text", "text": "oi"}),
    "extended text": ({"extendedTextMessage": {"text": "oi"}}, {"type": "text", "text": "oi"}),
    "image": (
        {"imageMessage": _IMAGE | {"caption": "see", "JPEGThumbnail": _PIXEL}},
        {
            "type": "image",
            "text": "see",
            "media": _IMAGE_MEDIA | {"thumbnail": f"data:image/jpeg;base64,{_PIXEL}"},
        },
    ),
    "image with a large thumbnail": (
        {"imageMessage": _IMAGE | {"JPEGThumbnail": base64.b64encode(bytes(13_000)).decode()}},
        {"type": "image", "media": _IMAGE_MEDIA},
    ),
    "video": (
        {"videoMessage": {"mimetype": "video/mp4", "seconds": 7}},
        {"type": "video", "media": {"kind": "video", "mime": "video/mp4", "seconds": 7}},
    ),
    "round video": ({"ptvMessage": {"seconds": 7}}, {"type": "video"}),
    "gif": (
        {"videoMessage": {"gifPlayback": True, "caption": "ha"}},
        {"type": "gif", "text": "ha", "media": {"kind": "gif"}},
    ),
    "audio": (
        {"audioMessage": {"mimetype": "audio/mp4", "seconds": 61}},
        {"type": "audio", "media": {"kind": "audio", "mime": "audio/mp4", "seconds": 61}},
    ),
    "voice": (
        {"audioMessage": {"PTT": True, "seconds": 3}},
        {"type": "voice", "media": {"kind": "voice", "seconds": 3}},
    ),
    "document": (
        {"documentMessage": {"mimetype": "application/pdf", "fileName": "a.pdf"}},
        {
            "type": "document",
            "media": {"kind": "document", "mime": "application/pdf", "file_name": "a.pdf"},
        },
    ),
    "document with caption": (
        _wrapped(
            "documentWithCaptionMessage",
            inner={"documentMessage": {"title": "A", "caption": "please sign"}},
        ),
        {"type": "document", "text": "please sign", "media": {"file_name": "A"}},
    ),
    "sticker": (
        {"stickerMessage": {"mimetype": "image/webp", "pngThumbnail": _PIXEL}},
        {
            "type": "sticker",
            "media": {"kind": "sticker", "thumbnail": f"data:image/png;base64,{_PIXEL}"},
        },
    ),
    "lottie sticker": (
        _wrapped("lottieStickerMessage", inner={"stickerMessage": {"mimetype": "application/was"}}),
        {"type": "sticker", "media": {"mime": "application/was"}},
    ),
    "location": (
        {"locationMessage": {"degreesLatitude": -23.5, "degreesLongitude": -46.5, "name": "Home"}},
        {
            "type": "location",
            "content": {
                "kind": "location",
                "latitude": -23.5,
                "longitude": -46.5,
                "name": "Home",
                "address": None,
            },
        },
    ),
    "live location": (
        {
            "liveLocationMessage": {
                "degreesLatitude": 1.0,
                "degreesLongitude": 2.0,
                "caption": "on my way",
            }
        },
        {"type": "live_location", "text": "on my way", "content": {"latitude": 1.0}},
    ),
    "location that moves": (
        {"locationMessage": {"degreesLatitude": 1.0, "degreesLongitude": 2.0, "isLive": True}},
        {"type": "live_location"},
    ),
    "contact": (
        {"contactMessage": _CARD},
        {
            "type": "contact",
            "text": "Bob",
            "content": {"kind": "contacts", "contacts": [{"name": "Bob", "vcard": "BEGIN:VCARD"}]},
        },
    ),
    "contacts": (
        {"contactsArrayMessage": {"displayName": "2 contacts", "contacts": [_CARD, _CARD]}},
        {"type": "contact", "text": "2 contacts"},
    ),
    **{
        f"poll {version or 'V1'}": (
            {f"pollCreationMessage{version}": _POLL},
            {"type": "poll", "text": "Lunch?", "content": _POLL_CONTENT},
        )
        for version in ("", "V2", "V3", "V5", "V6")
    },
    "poll V4": (
        _wrapped("pollCreationMessageV4", inner={"pollCreationMessage": _POLL}),
        {"type": "poll", "content": _POLL_CONTENT},
    ),
    "vote": (
        {"pollUpdateMessage": {"pollCreationMessageKey": {"ID": "POLL1"}}},
        {
            "type": "poll_vote",
            "content": {"kind": "poll_vote", "poll_wa_id": "POLL1", "options": None},
        },
    ),
    "event": (
        {"eventMessage": {"name": "Party", "startTime": str(AT // 1000), "isCanceled": True}},
        {
            "type": "event",
            "text": "Party",
            "content": {
                "kind": "event",
                "name": "Party",
                "description": None,
                "start_at": AT_ISO,
                "cancelled": True,
            },
        },
    ),
    "buttons": ({"buttonsMessage": {"contentText": "Choose"}}, {"type": "text", "text": "Choose"}),
    "button pressed": (
        {"buttonsResponseMessage": {"selectedDisplayText": "Yes"}},
        {"type": "text", "text": "Yes"},
    ),
    "list": ({"listMessage": {"title": "T", "description": "D"}}, {"type": "text", "text": "D"}),
    "list entry": ({"listResponseMessage": {"title": "One"}}, {"type": "text", "text": "One"}),
    "template": (
        {"templateMessage": {"hydratedTemplate": {"hydratedContentText": "Dear"}}},
        {"type": "text", "text": "Dear"},
    ),
    "template reply": (
        {"templateButtonReplyMessage": {"selectedDisplayText": "Go"}},
        {"type": "text", "text": "Go"},
    ),
    "interactive": (
        {"interactiveMessage": {"body": {"text": "Pay?"}}},
        {"type": "text", "text": "Pay?"},
    ),
    "interactive reply": (
        {"interactiveResponseMessage": {"body": {"text": "Paid"}}},
        {"type": "text", "text": "Paid"},
    ),
    "structured": (
        {
            "highlyStructuredMessage": {
                "hydratedHsm": {"hydratedTemplate": {"hydratedContentText": "Hi"}}
            }
        },
        {"type": "text", "text": "Hi"},
    ),
    "group invite": (
        {"groupInviteMessage": {"groupJID": GROUP, "groupName": "Team"}},
        _unsupported("groupInviteMessage") | {"text": "Team"},
    ),
    "order": (
        {"orderMessage": {"orderID": "1", "message": "2 pizzas"}},
        _unsupported("orderMessage") | {"text": "2 pizzas"},
    ),
    "product": (
        {"productMessage": {"product": {"title": "Pizza"}}},
        _unsupported("productMessage") | {"text": "Pizza"},
    ),
    "payment": ({"sendPaymentMessage": {}}, _unsupported("sendPaymentMessage")),
    "sticker pack": ({"stickerPackMessage": {"name": "P"}}, _unsupported("stickerPackMessage")),
    "encrypted reaction": ({"encReactionMessage": {}}, _unsupported("encReactionMessage")),
    "empty wrapper": ({"botInvokeMessage": {}}, _unsupported("botInvokeMessage")),
    "album": ({"albumMessage": {"expectedImageCount": 2}}, _note("album")),
    "pin": ({"pinInChatMessage": {"type": 1}}, _note("pin_in_chat")),
    "call log": ({"callLogMesssage": {"isVideo": True}}, _note("call_log")),
    "disappearing messages": (
        {"protocolMessage": {"type": "EPHEMERAL_SETTING", "ephemeralExpiration": 86400}},
        _note("ephemeral_setting"),
    ),
    "protocol message without a type": ({"protocolMessage": {}}, _unsupported("protocolMessage")),
    "ephemeral text": (
        _wrapped("ephemeralMessage", inner={"extendedTextMessage": {"text": "gone soon"}}),
        {"type": "text", "text": "gone soon"},
    ),
    "view once in wrappers": (
        _wrapped("ephemeralMessage", "viewOnceMessageV2", inner={"imageMessage": _IMAGE}),
        {"type": "view_once", "media": _IMAGE_MEDIA},
    ),
    "view once by the image's own word": (
        {"imageMessage": _IMAGE | {"viewOnce": True}},
        {"type": "view_once"},
    ),
    "key distribution beside a text": (
        {"senderKeyDistributionMessage": {"groupID": GROUP}, "conversation": "oi"},
        {"type": "text", "text": "oi"},
    ),
}


@pytest.mark.parametrize(("content", "expected"), KINDS.values(), ids=KINDS.keys())
def test_each_kind(decoding: Decoding, content: dict[str, Any], expected: dict[str, Any]) -> None:
    """A kind arrives typed, with its text, its media and what only it has."""
    head = only(decoding.message(content), "message")["head"]
    for name, value in expected.items():
        if name == "media":
            assert head["media"] | value == head["media"]
        elif name == "content":
            assert head["content"] | value == head["content"]
        else:
            assert value == head[name]
