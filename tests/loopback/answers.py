"""Answers to a companion's requests (`iq`), as contents of the result.

Source of the protocol facts: whatsmeow `prekeys.go`, `user.go` (usync), `group.go`,
`mediaconn.go`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from .companion import Companion
from .network import Directory
from .nodes import Jid, Node

if TYPE_CHECKING:
    from .person import Person

_Answer: TypeAlias = Callable[[Node, Companion, Directory], list[Node]]

_KEY_TYPE = b"\x05"
_SIGNED_PREKEY_ID = (1).to_bytes(3, "big")


def answer(iq: Node, companion: Companion, directory: Directory) -> list[Node]:
    """The contents of the result; empty for what needs none and for what is not known."""
    for child in iq.children():
        found = _ANSWERS.get((iq.text("xmlns"), child.tag))
        if found:
            return found(iq, companion, directory)
    return []


def _prekey_count(_iq: Node, companion: Companion, _directory: Directory) -> list[Node]:
    return [Node("count", {"value": str(companion.prekeys_left)})]


def _publish_prekeys(iq: Node, companion: Companion, _directory: Directory) -> list[Node]:
    companion.publish(iq)
    return []


def _fetch_bundles(iq: Node, _companion: Companion, directory: Directory) -> list[Node]:
    wanted = iq.child("key")
    users = wanted.children("user") if wanted else []
    return [Node("list", {}, [_bundle(user.jid("jid"), directory) for user in users])]


def _bundle(jid: Jid, directory: Directory) -> Node:
    person = directory.person(jid)
    if person is None or jid.device:
        error = Node("error", {"code": "404", "text": "item-not-found"})
        return Node("user", {"jid": jid}, [error])
    party = person.party
    signature = party.identity.sign(_KEY_TYPE + party.signed_prekey.public)
    signed = [
        Node("id", {}, _SIGNED_PREKEY_ID),
        Node("value", {}, party.signed_prekey.public),
        Node("signature", {}, signature),
    ]
    content = [
        Node("registration", {}, party.registration_id.to_bytes(4, "big")),
        Node("type", {}, _KEY_TYPE),
        Node("identity", {}, party.identity.public),
        Node("skey", {}, signed),
    ]
    return Node("user", {"jid": jid}, content)


def _usync(iq: Node, _companion: Companion, directory: Directory) -> list[Node]:
    request = iq.child("usync")
    listed = iq.child("usync", "list")
    users = listed.children("user") if listed else []
    found = [_user(user, directory) for user in users]
    about = request.attrs if request else {}
    attrs = {name: about[name] for name in ("sid", "mode", "context") if name in about}
    content = [Node("list", {}, found)]
    return [Node("usync", attrs | {"index": "0", "last": "true"}, content)]


def _user(user: Node, directory: Directory) -> Node:
    contact = user.child("contact")
    if "jid" not in user.attrs and contact:
        return _by_number(contact, directory)
    jid = user.jid("jid")
    person = directory.person(jid)
    return Node("user", {"jid": jid}, _profile(person, directory) if person else [])


def _by_number(contact: Node, directory: Directory) -> Node:
    asked = Jid(contact.data().decode().partition("@")[0].lstrip("+"))
    person = directory.person(asked)
    known = Node("contact", {"type": "in" if person else "out"}, contact.content)
    jid = person.lid_jid if person else asked
    return Node("user", {"jid": jid, "pn_jid": asked}, [known])


def _profile(person: Person, directory: Directory) -> list[Node]:
    devices = [Node("device", {"id": str(number)}) for number in directory.devices(person)]
    return [
        Node("lid", {"val": person.lid_jid}),
        Node("devices", {}, [Node("device-list", {}, devices)]),
    ]


def _own_groups(_iq: Node, companion: Companion, directory: Directory) -> list[Node]:
    groups = directory.groups_of(companion.jid.user)
    return [Node("groups", {}, [group.described() for group in groups])]


def _group(iq: Node, _companion: Companion, directory: Directory) -> list[Node]:
    group = directory.group(iq.jid("to"))
    return [group.described()] if group else []


def _media_conn(_iq: Node, _companion: Companion, directory: Directory) -> list[Node]:
    host = Node("host", {"hostname": directory.media_address})
    about = {"auth": "loopback", "ttl": "300", "auth_ttl": "21600", "max_buckets": "12"}
    return [Node("media_conn", about, [host])]


_ANSWERS: dict[tuple[str, str], _Answer] = {
    ("encrypt", "count"): _prekey_count,
    ("encrypt", "list"): _publish_prekeys,
    ("encrypt", "key"): _fetch_bundles,
    ("usync", "usync"): _usync,
    ("w:g2", "participating"): _own_groups,
    ("w:g2", "query"): _group,
    ("w:m", "media_conn"): _media_conn,
}
