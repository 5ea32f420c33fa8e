"""The phone's history."""

from __future__ import annotations

from typing import Any

from tests.unit.sessions.provider.neonize.decoding import (
    ALICE_LID,
    ALICE_PN,
    AT,
    AT_ISO,
    BOB_LID,
    BOB_PN,
    GROUP,
    HISTORY_SYNC,
    OWN_PN,
    SECONDS,
    Decoding,
    Json,
    message_id,
    only,
)


def _chunk(**data: Json) -> dict[str, Any]:
    return {"Data": {"syncType": "RECENT", **data}}


def _web(wa_id: str, at: int = SECONDS, *, key: dict[str, Any] | None = None, **more: Json) -> Json:
    return {
        "message": {
            "key": {"ID": wa_id, "remoteJID": ALICE_LID, "fromMe": False} | (key or {}),
            "messageTimestamp": str(at),
            **more,
        }
    }


def _alice(*messages: Json, **more: Json) -> dict[str, Any]:
    return {"ID": ALICE_LID, "pnJID": ALICE_PN, "messages": list(messages), **more}


def _messages(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in told if event["event"] == "message"]


def test_a_chat_and_its_messages(decoding: Decoding) -> None:
    """The chat first, then its messages, oldest first, none of them unread by themselves."""
    conversation = _alice(
        _web("NEW", SECONDS + 1, message={"conversation": "2"}),
        _web("OLD", SECONDS, message={"conversation": "1"}, pushName="Alice"),
        name="Alice Souza",
        unreadCount=3,
        archived=True,
        pinned=1,
        muteEndTime=str(SECONDS),
        conversationTimestamp=str(SECONDS),
    )
    told = decoding.decode(HISTORY_SYNC, _chunk(conversations=[conversation], progress=30))
    assert [event["event"] for event in told] == [
        "lid",
        "contact",
        "history_chat",
        "message",
        "message",
        "history_progress",
    ]
    assert told[1]["contact"]["name"] == "Alice Souza"
    assert told[2] == {
        "event": "history_chat",
        "chat": {"jid": ALICE_PN, "pn": ALICE_PN, "lid": ALICE_LID},
        "name": "Alice Souza",
        "unread": 3,
        "archived": True,
        "pinned": True,
        "muted_until": AT,
        "at": AT,
    }
    old, new = _messages(told)
    assert [old["wa_id"], new["wa_id"]] == ["OLD", "NEW"]
    assert (message_id("OLD"), ALICE_PN, "history", False, AT_ISO) == (
        old["id"],
        old["sender"],
        old["source"],
        old["counts"],
        old["head"]["at"],
    )


def test_progress_to_its_end(decoding: Decoding) -> None:
    """One hundred is done."""
    told = decoding.decode(HISTORY_SYNC, _chunk(progress=100))
    assert told == [{"event": "history_progress", "percent": 100, "done": True}]


def test_names_and_lids_without_chats(decoding: Decoding) -> None:
    """Push names come in a chunk of their own, which is no progress."""
    data = {
        "syncType": "PUSH_NAME",
        "pushnames": [{"ID": BOB_PN, "pushname": "Bob"}, {"ID": ALICE_PN, "pushname": "-"}],
        "phoneNumberToLidMappings": [{"pnJID": BOB_PN, "lidJID": BOB_LID}],
        "progress": 100,
    }
    told = decoding.decode(HISTORY_SYNC, {"Data": data})
    assert [event["event"] for event in told] == ["lid", "contact"]
    assert tuple(told[1]["contact"][name] for name in ("pn", "lid", "push_name")) == (
        BOB_PN,
        BOB_LID,
        "Bob",
    )


def test_ticks_of_own_messages(decoding: Decoding) -> None:
    """The history tells how far each came."""
    states = {"ERROR": -1, "PENDING": 0, "SERVER_ACK": 1, "DELIVERY_ACK": 2, "READ": 3, "PLAYED": 4}
    sent = [
        _web(state, key={"fromMe": True}, status=state, message={"conversation": state})
        for state in states
    ]
    told = _messages(decoding.decode(HISTORY_SYNC, _chunk(conversations=[_alice(*sent)])))
    assert states == {event["wa_id"]: event["tail"]["ack"] for event in told}
    assert {OWN_PN} == {event["sender"] for event in told}


def test_reactions_come_with_their_message(decoding: Decoding) -> None:
    """Hers and ours, by who set them."""
    reactions = [
        {"key": {"fromMe": False}, "text": "👍", "senderTimestampMS": str(AT)},
        {"key": {"fromMe": True}, "text": "❤", "senderTimestampMS": str(AT)},
        {"key": {"fromMe": False}, "text": ""},
    ]
    item = _web("A", message={"conversation": "1"}, reactions=reactions)
    event = only(decoding.decode(HISTORY_SYNC, _chunk(conversations=[_alice(item)])), "message")
    assert [
        (r["emoji"], r["sender"], r["from_me"], r["at"]) for r in event["tail"]["reactions"]
    ] == [("👍", ALICE_PN, False, AT_ISO), ("❤", OWN_PN, True, AT_ISO)]


def test_a_group_names_its_members(decoding: Decoding) -> None:
    """Who wrote stands beside the key."""
    decoding.ask("learn", lid=BOB_LID, pn=BOB_PN)
    key = {"remoteJID": GROUP}
    items = [
        _web("A", key=key | {"participant": BOB_LID}, message={"conversation": "1"}),
        _web("B", key=key, participant=BOB_LID, message={"conversation": "2"}),
    ]
    chat = {"ID": GROUP, "name": "Team", "messages": items}
    told = _messages(decoding.decode(HISTORY_SYNC, _chunk(conversations=[chat])))
    assert [(event["chat"]["jid"], event["sender"]) for event in told] == [(GROUP, BOB_PN)] * 2


def test_what_has_no_content(decoding: Decoding) -> None:
    """Deleted, undecryptable, a note of WhatsApp's, an edit, machinery."""
    edit = {"type": "MESSAGE_EDIT", "key": {"ID": "X"}, "editedMessage": {"conversation": "new"}}
    items = [
        _web("DELETED", messageStubType="REVOKE"),
        _web("SEALED", messageStubType="CIPHERTEXT"),
        _web("NOTE", messageStubType="GROUP_CHANGE_SUBJECT"),
        _web("EDITED", message={"editedMessage": {"message": {"protocolMessage": edit}}}),
        _web("KEYS", message={"senderKeyDistributionMessage": {"groupID": GROUP}}),
        _web("REVOKING", message={"protocolMessage": {"type": "REVOKE"}}),
        _web("NOTHING"),
    ]
    told = _messages(decoding.decode(HISTORY_SYNC, _chunk(conversations=[_alice(*items)])))
    heads = {event["wa_id"]: event["head"] for event in told}
    assert {wa_id: head["type"] for wa_id, head in heads.items()} == {
        "DELETED": "revoked",
        "SEALED": "unsupported",
        "NOTE": "system",
        "EDITED": "text",
    }
    assert heads["NOTE"]["content"]["name"] == "group_change_subject"
    assert heads["EDITED"]["text"] == "new"
    tails = {event["wa_id"]: event["tail"] for event in told}
    assert (tails["DELETED"]["deleted_at"], tails["EDITED"]["edited_at"]) == (AT_ISO, AT_ISO)


def test_one_bad_message_costs_nothing_else(decoding: Decoding) -> None:
    """What breaks the decoder keeps its place; the rest is told."""
    bad = {"key": {"participant": "@@"}, "text": "x"}
    items = [
        _web("BAD", message={"conversation": "1"}, reactions=[bad]),
        _web("GOOD", SECONDS + 1, message={"conversation": "1"}),
    ]
    told = _messages(decoding.decode(HISTORY_SYNC, _chunk(conversations=[_alice(*items)])))
    assert [event["head"]["type"] for event in told] == ["unsupported", "text"]
