"""Whose message it is, where it stands, and what it changes."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.unit.sessions.provider.neonize.decoding import (
    ALICE_LID,
    ALICE_PN,
    AT,
    AT_ISO,
    BOB_LID,
    BOB_PN,
    GROUP,
    MESSAGE,
    OFFLINE_COMPLETED,
    OFFLINE_PREVIEW,
    OWN_LID,
    OWN_PN,
    UNDECRYPTABLE,
    Decoding,
    info,
    message,
    message_id,
    only,
)

_PIXEL = base64.b64encode(b"\xff\xd8jpeg").decode()
_MEDIA: dict[str, Any] = dict.fromkeys(
    ("mime", "size", "file_name", "width", "height", "seconds", "thumbnail", "url")
)


def test_a_whole_message(decoding: Decoding) -> None:
    """Nothing but the phone number's address is seen of who wrote by a LID."""
    told = decoding.message({"conversation": "oi"})
    expected_id = message_id("WA1")
    assert {
        "event": "message",
        "chat": {"jid": ALICE_PN, "pn": ALICE_PN, "lid": ALICE_LID},
        "chat_name": "Alice",
        "id": expected_id,
        "former_id": message_id("WA1", ALICE_LID, ALICE_LID),
        "wa_id": "WA1",
        "sender": ALICE_PN,
        "from_me": False,
        "at": AT,
        "source": "live",
        "counts": True,
        "tail": {
            "wa_id": "WA1",
            "status": "delivered",
            "ack": 2,
            "edited_at": None,
            "deleted_at": None,
            "reactions": [],
        },
        "head": {
            "id": expected_id,
            "client_ref": None,
            "session": "s1",
            "chat": f"s1:{ALICE_PN}",
            "sender": ALICE_PN,
            "sender_name": "Alice",
            "from_me": False,
            "at": AT_ISO,
            "type": "text",
            "text": "oi",
            "reply_to": None,
            "media": None,
            "source": "live",
        },
    } == only(told, "message")


def test_a_file_is_named_by_its_message(decoding: Decoding) -> None:
    """A message has one file at most, so the message's id names it; there is no URL yet."""
    head = only(decoding.message({"audioMessage": {}}), "message")["head"]
    assert _MEDIA | {"id": head["id"], "kind": "audio"} == head["media"]


def test_who_writes_is_told_once(decoding: Decoding) -> None:
    """The LID and the push name are told before the message, and not again."""
    first = decoding.message({"conversation": "1"})
    again = decoding.message({"conversation": "2"}, wa_id="WA2")
    assert [event["event"] for event in first] == ["lid", "contact", "message"]
    assert first[0] == {"event": "lid", "lid": ALICE_LID, "pn": ALICE_PN}
    assert first[1]["contact"]["push_name"] == "Alice"
    assert [event["event"] for event in again] == ["message"]


@pytest.mark.parametrize(
    ("chat", "alt"), [(ALICE_LID, ALICE_PN), (ALICE_PN, ALICE_LID), (ALICE_PN, "")]
)
def test_one_chat_whatever_the_addressing(decoding: Decoding, chat: str, alt: str) -> None:
    """A chat has one id by LID, by number, and with a device part."""
    sender = chat.replace("@", ":7@")
    told = decoding.message({"conversation": "oi"}, chat=chat, sender=sender, sender_alt=alt)
    assert message_id("WA1") == only(told, "message")["id"]


def test_an_unknown_lid_stays_a_lid(decoding: Decoding) -> None:
    """Where nobody knows the number, the LID names the chat."""
    told = only(decoding.message({"conversation": "oi"}, sender_alt=""), "message")
    assert told["chat"] == {"jid": ALICE_LID, "pn": None, "lid": ALICE_LID}


@pytest.mark.parametrize("group", [None, GROUP])
def test_a_message_is_known_by_the_id_that_it_got_under_a_lid(
    decoding: Decoding, group: str | None
) -> None:
    """It came before the number was known; what comes later, and what it is repeated as, says so."""
    where = {"chat": group or ALICE_LID, "sender": ALICE_LID}
    first = only(decoding.message({"conversation": "oi"}, **where, sender_alt=""), "message")
    assert first["former_id"] is None
    again = only(decoding.message({"conversation": "oi"}, **where), "message")
    assert (again["sender"], again["former_id"]) == (ALICE_PN, first["id"])
    assert again["id"] != first["id"]
    revoke = {"protocolMessage": {"type": "REVOKE", "key": {"ID": "WA1", "fromMe": True}}}
    deleted = only(decoding.message(revoke, **where), "message_deleted")
    assert (deleted["id"], deleted["former_id"]) == (again["id"], first["id"])


def test_an_address_that_is_none_of_ours_keeps_its_message(decoding: Decoding) -> None:
    """WhatsApp's own account has the number 0."""
    told = decoding.message({"conversation": "news"}, chat="0@s.whatsapp.net", sender_alt="")
    assert only(told, "message")["chat"]["jid"] == "0@s.whatsapp.net"


def test_a_group_message(decoding: Decoding) -> None:
    """The chat is the group's, the sender the member's number."""
    told = decoding.message({"conversation": "oi"}, chat=GROUP, sender=ALICE_LID)
    event = only(told, "message")
    assert (event["chat"]["jid"], event["chat_name"], event["sender"]) == (GROUP, None, ALICE_PN)
    assert message_id("WA1", chat=GROUP) == event["id"]


def test_own_message_from_the_phone(decoding: Decoding) -> None:
    """What the owner writes on the phone counts as sent, not as unread."""
    told = decoding.message(
        {"conversation": "from my phone"},
        sender=OWN_LID,
        sender_alt=OWN_PN,
        recipient_alt=ALICE_PN,
        from_me=True,
    )
    event = only(told, "message")
    assert message_id("WA1", sender=OWN_PN) == event["id"]
    assert (
        event["source"],
        event["counts"],
        event["tail"]["status"],
        event["tail"]["ack"],
    ) == ("phone", False, "sent", 1)
    assert event["chat"]["jid"] == ALICE_PN


def test_what_waited_is_offline(decoding: Decoding) -> None:
    """Between preview and completion the server hands over what it kept; it still counts."""
    preview = dict.fromkeys(("Total", "AppDataChanges", "Message", "Notifications", "Receipts"), 1)
    decoding.decode(OFFLINE_PREVIEW, preview)
    waited = only(decoding.message({"conversation": "1"}), "message")
    decoding.decode(OFFLINE_COMPLETED, {"Count": 1})
    live = only(decoding.message({"conversation": "2"}), "message")
    assert (waited["source"], waited["counts"], live["source"]) == ("offline", True, "live")


@pytest.mark.parametrize(
    "content",
    [{"albumMessage": {}}, {"pollUpdateMessage": {"pollCreationMessageKey": {"ID": "P"}}}],
)
def test_notes_are_not_unread(decoding: Decoding, content: dict[str, Any]) -> None:
    """Only what a person wrote adds to the unread count."""
    assert not only(decoding.message(content), "message")["counts"]


def test_status_updates_are_not_unread(decoding: Decoding) -> None:
    """A status update is a message of the broadcast chat."""
    told = decoding.message({"conversation": "my day"}, chat="status@broadcast", sender=ALICE_LID)
    event = only(told, "message")
    assert (event["chat"]["jid"], event["counts"]) == ("status@broadcast", False)


@pytest.mark.parametrize(
    "content",
    [
        {"senderKeyDistributionMessage": {"groupID": GROUP}},
        {"messageContextInfo": {"messageSecret": _PIXEL}},
        {"protocolMessage": {"type": "APP_STATE_SYNC_KEY_SHARE", "appStateSyncKeyShare": {}}},
        {"protocolMessage": {"type": "HISTORY_SYNC_NOTIFICATION"}},
        {"protocolMessage": {"type": "PEER_DATA_OPERATION_REQUEST_MESSAGE"}},
        {"stickerSyncRmrMessage": {}},
    ],
)
def test_machinery_is_no_message(decoding: Decoding, content: dict[str, Any]) -> None:
    """Keys and app state between devices are nobody's messages."""
    assert "message" not in {event["event"] for event in decoding.message(content)}


def test_what_the_own_devices_say_to_each_other_is_no_message(decoding: Decoding) -> None:
    """The category says it, whatever the content."""
    assert decoding.message({"conversation": "x"}, category="peer") == []


def test_a_kind_that_the_library_does_not_know(decoding: Decoding) -> None:
    """A newer WhatsApp's field keeps its number."""
    field_1999 = base64.b64encode(b"\xfa\x7c\x01x").decode()
    told = decoding.ask("message_bytes", info=info(), data=field_1999)
    assert only(told, "message")["head"]["content"] == {"kind": "unsupported", "name": "field_1999"}


def test_an_empty_message_keeps_its_place(decoding: Decoding) -> None:
    """Nothing in it is still a message."""
    assert only(decoding.message({}), "message")["head"]["type"] == "unsupported"


@pytest.mark.parametrize("flag", ["IsViewOnce", "IsViewOnceV2", "IsViewOnceV2Extension"])
def test_view_once_by_flag(decoding: Decoding, flag: str) -> None:
    """The library unwraps the message and leaves a flag."""
    event = message({"imageMessage": {}}, flags=(flag,))
    assert only(decoding.decode(MESSAGE, event), "message")["head"]["type"] == "view_once"


def test_view_once_as_companions_get_it(decoding: Decoding) -> None:
    """A companion is only told that there is one."""
    event = {"Info": info(), "IsUnavailable": True, "DecryptFailMode": "DECRYPT_FAIL_SHOW"}
    told = only(decoding.decode(UNDECRYPTABLE, event), "message")
    assert (told["head"]["type"], told["counts"]) == ("view_once", True)


@pytest.mark.parametrize(
    ("kind", "media", "kinds"),
    [("text", "", []), ("media", "image", []), ("media", "", ["view_once"])],
)
def test_a_group_message_without_its_senders_key_waits_too(
    decoding: Decoding, kind: str, media: str, kinds: list[str]
) -> None:
    """The library calls it unavailable, as it does what the server kept back."""
    about = info(chat=GROUP, sender=ALICE_LID) | {"Type": kind, "MediaType": media}
    event = {"Info": about, "IsUnavailable": True, "DecryptFailMode": "DECRYPT_FAIL_SHOW"}
    told = [e for e in decoding.decode(UNDECRYPTABLE, event) if e["event"] == "message"]
    assert [message["head"]["type"] for message in told] == kinds


def test_what_cannot_be_decrypted_waits_for_its_second_try(decoding: Decoding) -> None:
    """The library asks again; the same id told now would make the second one a repeat."""
    event = {"Info": info(), "IsUnavailable": False, "DecryptFailMode": "DECRYPT_FAIL_SHOW"}
    assert decoding.decode(UNDECRYPTABLE, event) == []


def test_a_reply(decoding: Decoding) -> None:
    """The answered message is named as its own event named it."""
    context = {
        "stanzaID": "Q1",
        "participant": ALICE_LID,
        "quotedMessage": {"imageMessage": {"caption": "look"}},
    }
    decoding.ask("learn", lid=ALICE_LID, pn=ALICE_PN)
    told = decoding.message({"extendedTextMessage": {"text": "nice", "contextInfo": context}})
    assert {
        "id": message_id("Q1"),
        "wa_id": "Q1",
        "sender": ALICE_PN,
        "text": "look",
        "type": "image",
    } == only(told, "message")["head"]["reply_to"]


def test_a_reply_to_us(decoding: Decoding) -> None:
    """Our own LID is us; a message that is not quoted has no text."""
    context = {"stanzaID": "Q1", "participant": OWN_LID}
    told = decoding.message({"imageMessage": {"contextInfo": context}})
    reply = only(told, "message")["head"]["reply_to"]
    assert (message_id("Q1", sender=OWN_PN), OWN_PN, None, None) == (
        reply["id"],
        reply["sender"],
        reply["text"],
        reply["type"],
    )


#: A key is written from its writer's side: (chat, writer, key's words, whose message it is).
KEYS = {
    "she, of hers": (ALICE_LID, ALICE_LID, {"fromMe": True}, ALICE_PN, ALICE_PN),
    "she, of ours": (ALICE_LID, ALICE_LID, {"fromMe": False}, ALICE_PN, OWN_PN),
    "we, of ours": (ALICE_LID, OWN_LID, {"fromMe": True}, ALICE_PN, OWN_PN),
    "we, of hers": (ALICE_LID, OWN_LID, {"fromMe": False}, ALICE_PN, ALICE_PN),
    "she in a group, of hers": (GROUP, ALICE_LID, {"fromMe": True}, GROUP, ALICE_PN),
    "she in a group, of Bob's": (GROUP, ALICE_LID, {"participant": BOB_LID}, GROUP, BOB_PN),
    "she in a group, of ours": (GROUP, ALICE_LID, {"participant": OWN_LID}, GROUP, OWN_PN),
}


@pytest.mark.parametrize(
    ("chat", "writer", "key", "expected_chat", "owner"), KEYS.values(), ids=KEYS
)
@pytest.mark.parametrize("what", ["reaction", "deletion"])
def test_whose_message_a_key_names(
    decoding: Decoding,
    what: str,
    *,
    chat: str,
    writer: str,
    key: dict[str, Any],
    expected_chat: str,
    owner: str,
) -> None:
    """Reactions and deletions find the message as its own event named it."""
    for lid, pn in ((ALICE_LID, ALICE_PN), (BOB_LID, BOB_PN)):
        decoding.ask("learn", lid=lid, pn=pn)
    key = key | {"ID": "T1", "remoteJID": chat}
    content = {
        "reaction": {"reactionMessage": {"key": key, "text": "👍", "senderTimestampMS": str(AT)}},
        "deletion": {"protocolMessage": {"type": "REVOKE", "key": key}},
    }[what]
    told = decoding.message(
        content, chat=chat, sender=writer, sender_alt="", from_me=writer == OWN_LID
    )
    event = only(told, {"reaction": "reaction", "deletion": "message_deleted"}[what])
    assert (message_id("T1", sender=owner, chat=expected_chat), "T1") == (
        event["id"],
        event["wa_id"],
    )


@pytest.mark.parametrize("emoji", ["👍", ""])
def test_a_reaction(decoding: Decoding, emoji: str) -> None:
    """An empty emoji takes the reaction back."""
    key = {"ID": "T1", "fromMe": True}
    told = decoding.message(
        {"reactionMessage": {"key": key, "text": emoji, "senderTimestampMS": str(AT + 5)}}
    )
    event = only(told, "reaction")
    assert (emoji, ALICE_PN, False, AT + 5) == (
        event["emoji"],
        event["sender"],
        event["from_me"],
        event["at"],
    )


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_an_edit(decoding: Decoding, is_wrapped: bool) -> None:
    """The new text and the message that it replaces, wrapped or not."""
    edit = {
        "protocolMessage": {
            "type": "MESSAGE_EDIT",
            "key": {"ID": "T1", "fromMe": True},
            "editedMessage": {"extendedTextMessage": {"text": "better"}},
            "timestampMS": str(AT + 9),
        }
    }
    told = decoding.message({"editedMessage": {"message": edit}} if is_wrapped else edit)
    event = only(told, "message_edited")
    assert (message_id("T1"), "better", AT + 9) == (event["id"], event["text"], event["at"])


def test_nonsense_is_survived(decoding: Decoding) -> None:
    """Bytes that are no event, and an event without its required fields, tell nothing."""
    assert decoding.ask("decode_bytes", code=MESSAGE, data=_PIXEL) == []
    assert decoding.decode(MESSAGE, message({"conversation": "x"}), drop="Info") == []
    assert decoding.ask("decode_bytes", code=99, data="") == []


def test_a_message_that_breaks_the_decoder_keeps_its_place(decoding: Decoding) -> None:
    """A reaction to an id that is no text."""
    told = decoding.message({"reactionMessage": {"key": {"ID": "@@"}, "text": "x"}})
    head = only(told, "message")["head"]
    assert head["content"] == {"kind": "unsupported", "name": "undecodable"}
    assert head["id"] == message_id("WA1")


def test_what_is_no_utf_8_is_told_as_text(decoding: Decoding) -> None:
    """Go lets it pass, and protobuf hands out bytes: a reader gets replacement characters."""
    context = {"stanzaID": "@@", "participant": ALICE_PN}
    reply = {"extendedTextMessage": {"text": "oi @@", "contextInfo": context}}
    told = only(decoding.message(reply, name="A@@"), "message")
    assert (told["chat_name"], told["head"]["text"]) == ("A\ufffd\ufffd", "oi \ufffd\ufffd")
    poll = only(decoding.message({"pollCreationMessage": {"name": "@@"}}), "message")
    assert poll["head"]["content"]["question"] == "\ufffd\ufffd"
