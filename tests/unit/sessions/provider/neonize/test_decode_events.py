"""Receipts, typing, presence, groups and calls."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.sessions.provider.neonize.decoding import (
    ALICE_LID,
    ALICE_PN,
    AT,
    BOB_LID,
    BOB_PN,
    CALL_ACCEPT,
    CALL_END,
    CALL_NOTICE,
    CALL_OFFER,
    CHAT_PRESENCE,
    GROUP,
    GROUP_INFO,
    JOINED_GROUP,
    OWN_LID,
    OWN_PN,
    PRESENCE,
    RECEIPT,
    SECONDS,
    Decoding,
    Json,
    message_id,
    only,
    source,
)

_ALICE = {"jid": ALICE_PN, "pn": ALICE_PN, "lid": ALICE_LID}


def _receipt(kind: str, **where: Json) -> dict[str, Any]:
    return {
        "MessageSource": source(**where),
        "MessageIDs": ["A", "B"],
        "Timestamp": SECONDS,
        "Type": kind,
    }


@pytest.mark.parametrize(
    ("kind", "ack"), [("DELIVERED", 2), ("INACTIVE", 2), ("READ", 3), ("PLAYED", 4)]
)
def test_ticks(decoding: Decoding, kind: str, ack: int) -> None:
    """A tick names our messages, which the phone may have sent."""
    ids = [message_id(wa_id, sender=OWN_PN) for wa_id in ("A", "B")]
    assert {
        "event": "receipt",
        "chat": _ALICE,
        "wa_ids": ["A", "B"],
        "ids": ids,
        "ack": ack,
        "at": AT,
    } == only(decoding.decode(RECEIPT, _receipt(kind)), "receipt")


@pytest.mark.parametrize(
    "kind", ["SENDER", "RETRY", "PLAYED_SELF", "SERVER_ERROR", "PEER_MSG", "HISTORY_SYNC"]
)
def test_receipts_that_are_no_ticks(decoding: Decoding, kind: str) -> None:
    """SERVER_ERROR is what the library calls "played on another device"."""
    told = decoding.decode(RECEIPT, _receipt(kind))
    assert "receipt" not in {event["event"] for event in told}


def test_a_receipt_of_an_own_device_is_no_tick(decoding: Decoding) -> None:
    """The account's other devices have the message too; that says nothing of the contact."""
    told = decoding.decode(RECEIPT, _receipt("READ", sender=OWN_LID, sender_alt="", from_me=True))
    assert told == []


def test_read_elsewhere(decoding: Decoding) -> None:
    """The account read the chat on its phone."""
    event = _receipt("READ_SELF", sender=OWN_LID, sender_alt=OWN_PN, from_me=True)
    decoding.ask("learn", lid=ALICE_LID, pn=ALICE_PN)
    told = only(decoding.decode(RECEIPT, event), "read_elsewhere")
    assert told == {"event": "read_elsewhere", "chat": _ALICE, "at": AT}


def _typing(state: str, media: str = "TEXT", **where: Json) -> dict[str, Any]:
    return {"MessageSource": source(**where), "State": state, "Media": media}


@pytest.mark.parametrize(
    ("state", "media", "is_typing", "kind"),
    [
        ("COMPOSING", "TEXT", True, "text"),
        ("COMPOSING", "AUDIO", True, "audio"),
        ("PAUSED", "TEXT", False, "text"),
    ],
)
def test_typing(decoding: Decoding, state: str, media: str, is_typing: bool, kind: str) -> None:
    """Who types is named as the last message was."""
    decoding.message({"conversation": "hi"})
    told = decoding.decode(CHAT_PRESENCE, _typing(state, media, sender_alt=""))
    assert {
        "event": "typing",
        "chat": _ALICE,
        "sender": ALICE_PN,
        "sender_name": "Alice",
        "is_typing": is_typing,
        "kind": kind,
    } == only(told, "typing")


def test_own_typing_is_not_told(decoding: Decoding) -> None:
    """Nobody needs to hear that they type."""
    event = _typing("COMPOSING", sender=OWN_LID, sender_alt="", from_me=True)
    assert decoding.decode(CHAT_PRESENCE, event) == []


@pytest.mark.parametrize(
    ("unavailable", "seen", "online", "last_seen"),
    [(False, -62_135_596_800, True, None), (True, SECONDS, False, AT)],
)
def test_presence(
    decoding: Decoding, unavailable: bool, seen: int, online: bool, last_seen: int | None
) -> None:
    """The year 1 stands for "not told"."""
    event = {"From": f"jid:{ALICE_PN}", "Unavailable": unavailable, "LastSeen": seen}
    assert {
        "event": "presence",
        "jid": ALICE_PN,
        "online": online,
        "last_seen": last_seen,
    } == only(decoding.decode(PRESENCE, event), "presence")


def test_lids_to_ask_for(decoding: Decoding) -> None:
    """What comes by LID alone is worth a question, once it is not answered otherwise."""
    event = _typing("COMPOSING", chat=GROUP, sender=ALICE_LID, sender_alt="")
    assert decoding.ask("unnamed", code=CHAT_PRESENCE, event=event) == [ALICE_LID]
    decoding.ask("learn", lid=ALICE_LID, pn=ALICE_PN)
    assert decoding.ask("unnamed", code=CHAT_PRESENCE, event=event) == []
    presence = {"From": f"jid:{BOB_LID}", "Unavailable": True, "LastSeen": 0}
    assert decoding.ask("unnamed", code=PRESENCE, event=presence) == [BOB_LID]


def test_a_group_changes(decoding: Decoding) -> None:
    """Name and members in one event, the members by number where it is known."""
    decoding.ask("learn", lid=ALICE_LID, pn=ALICE_PN)
    event = {
        "JID": f"jid:{GROUP}",
        "Notify": "",
        "Sender": f"jid:{ALICE_LID}",
        "Timestamp": SECONDS,
        "Name": {"Name": "Team", "NameSetAt": 1, "NameSetBy": f"jid:{ALICE_LID}"},
        "PrevParticipantsVersionID": "",
        "ParticipantVersionID": "",
        "JoinReason": "",
        "Join": [f"jid:{BOB_LID}"],
        "Leave": [f"jid:{ALICE_LID}"],
        "Promote": [],
        "Demote": [f"jid:{BOB_LID}"],
    }
    assert decoding.ask("unnamed", code=GROUP_INFO, event=event) == [BOB_LID]
    assert only(decoding.decode(GROUP_INFO, event), "group") == {
        "event": "group",
        "chat": {"jid": GROUP, "pn": None, "lid": None},
        "name": "Team",
        "joined": [BOB_LID],
        "left": [ALICE_PN],
        "promoted": [],
        "demoted": [BOB_LID],
        "author": ALICE_PN,
        "at": AT,
    }


def _group_info(members: list[tuple[str, str]]) -> dict[str, Any]:
    names = ("IsAdmin", "IsSuperAdmin")
    return {
        "JID": f"jid:{GROUP}",
        "OwnerJID": f"jid:{ALICE_LID}",
        "OwnerPN": f"jid:{ALICE_PN}",
        "GroupName": {"Name": "Team", "NameSetAt": 1, "NameSetBy": "jid:"},
        "GroupTopic": {
            "Topic": "",
            "TopicID": "",
            "TopicSetAt": 0,
            "TopicSetBy": "jid:",
            "TopicDeleted": False,
        },
        "GroupLocked": {"isLocked": False},
        "GroupAnnounce": {"IsAnnounce": False, "AnnounceVersionID": ""},
        "GroupEphemeral": {"IsEphemeral": False, "DisappearingTimer": 0},
        "GroupIncognito": {"IsIncognito": False},
        "GroupParent": {"IsParent": False, "DefaultMembershipApprovalMode": ""},
        "GroupLinkedParent": {"LinkedParentJID": "jid:"},
        "GroupIsDefaultSub": {"IsDefaultSubGroup": False},
        "GroupCreated": float(SECONDS),
        "ParticipantVersionID": "",
        "Participants": [
            {
                "JID": f"jid:{lid}",
                "LID": f"jid:{lid}",
                "PhoneNumber": f"jid:{pn}",
                **dict.fromkeys(names, False),
                "DisplayName": "",
                "Error": 0,
            }
            for lid, pn in members
        ],
    }


def test_a_new_group_tells_who_is_who(decoding: Decoding) -> None:
    """A group's member list has both addresses of each member."""
    members = [(ALICE_LID, ALICE_PN), (BOB_LID, BOB_PN)]
    event = {"Reason": "", "Type": "new", "CreateKey": "", "GroupInfo": _group_info(members)}
    told = decoding.decode(JOINED_GROUP, event)
    assert [item["event"] for item in told] == ["lid", "lid", "group"]
    assert (told[-1]["name"], told[-1]["joined"]) == ("Team", [ALICE_PN, BOB_PN])


def _call(**more: Json) -> dict[str, Any]:
    meta = {
        "from": f"jid:{ALICE_LID}",
        "timestamp": SECONDS,
        "callCreator": f"jid:{ALICE_LID}",
        "callCreatorAlt": f"jid:{ALICE_PN}",
        "callID": "C1",
    }
    return {"basicCallMeta": meta, "data": {"Tag": "call"}, **more}


_REMOTE = {"callRemoteMeta": {"remotePlatform": "", "remoteVersion": ""}}


def test_a_video_call(decoding: Decoding) -> None:
    """It rings, is taken and ends; that it is a video call only the offer says."""
    offer = _call(**_REMOTE) | {"data": {"Tag": "offer", "Nodes": [{"Tag": "video"}]}}
    steps = [(CALL_OFFER, offer), (CALL_ACCEPT, _call(**_REMOTE)), (CALL_END, _call(reason="x"))]
    told = [only(decoding.decode(code, event), "call") for code, event in steps]
    assert [("C1", ALICE_PN, "video", state, AT) for state in ("offer", "accepted", "ended")] == [
        (call["id"], call["sender"], call["kind"], call["state"], call["at"]) for call in told
    ]


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_a_group_call(decoding: Decoding, kind: str) -> None:
    """A notice says its kind in words."""
    told = decoding.decode(CALL_NOTICE, _call(media=kind, type="group"))
    assert kind == only(told, "call")["kind"]
