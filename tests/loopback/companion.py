"""A linked device, as WhatsApp's servers know it: its keys, its connection, its mailbox."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from websockets.exceptions import ConnectionClosed

from .nodes import SERVER_JID, Jid, Node
from .ratchet import PreKeyBundle
from .watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .connection import Connection

_Key: TypeAlias = tuple[str, str, str]

_PATIENCE = 5.0
"""Seconds for what the companion does at once."""


class NotLinkedError(Exception):
    """The phone has no companion now, or the companion has not published its keys yet."""


@dataclass(frozen=True, slots=True)
class SentReceipt:
    """One receipt of the companion: the messages, and what became of them.

    `kind` is "delivered" (also where the wire says "inactive": whatsmeow `receipt.go`), "read",
    "played", "retry" or another word of the protocol.
    """

    ids: tuple[str, ...]
    kind: str
    to: Jid

    @classmethod
    def parse(cls, node: Node) -> SentReceipt:
        """Reads a `<receipt>`; further ids stand in its `<list>`."""
        listed = node.child("list")
        items = listed.children("item") if listed else []
        ids = (node.text("id"), *(item.text("id") for item in items))
        kind = node.text("type")
        return cls(ids, "delivered" if kind in ("", "inactive") else kind, node.jid("to"))


@dataclass(slots=True)
class Record:
    """What companions of one phone have sent so far, for tests to look at."""

    acked: set[str] = field(default_factory=set)
    receipts: list[SentReceipt] = field(default_factory=list)
    presences: list[Node] = field(default_factory=list)
    watch: Watch = field(default_factory=Watch)


@dataclass(slots=True)
class _PublishedKeys:
    identity: bytes
    signed_prekey_id: int
    signed_prekey: bytes
    prekeys: deque[tuple[int, bytes]]


class Companion:
    """One linked device. It outlives its connections, and ends when it is removed."""

    def __init__(self, jid: Jid, lid: Jid, record: Record) -> None:
        """`jid` and `lid` are its two addresses, with the same device number."""
        self.jid = jid
        self.lid = lid
        self.record = record
        self.linked = True
        self.connection: Connection | None = None
        self.refusals: deque[dict[str, str]] = deque()
        self._keys: _PublishedKeys | None = None
        self._active = False
        self._mailbox: dict[_Key, Node] = {}
        self._delivering = asyncio.Lock()

    @property
    def ready(self) -> bool:
        """Logged in, keys published, and asked for messages (`<active>`)."""
        return self._active and self._keys is not None

    @property
    def prekeys_left(self) -> int:
        """One-time prekeys that nobody has taken yet."""
        return len(self._keys.prekeys) if self._keys else 0

    def publish(self, upload: Node) -> None:
        """Takes a prekey upload (whatsmeow `prekeys.go`)."""
        listed = upload.child("list")
        prekeys = [_key_of(key) for key in (listed.children("key") if listed else [])]
        kept = self._keys.prekeys if self._keys else deque[tuple[int, bytes]]()
        signed = upload.child("skey")
        if signed is None:
            msg = "a prekey upload without <skey>"
            raise ValueError(msg)
        identity = upload.data("identity")
        self._keys = _PublishedKeys(identity, *_key_of(signed), deque([*kept, *prekeys]))

    def bundle(self) -> PreKeyBundle:
        """Keys for a first message; takes one one-time prekey away while there are any."""
        keys = self._keys
        if keys is None:
            msg = f"{self.jid} has published no keys: await phone.connected() first"
            raise NotLinkedError(msg)
        signed = keys.identity, keys.signed_prekey_id, keys.signed_prekey
        return PreKeyBundle(*signed, *(keys.prekeys.popleft() if keys.prekeys else (None, None)))

    def attach(self, connection: Connection) -> None:
        """It has logged in."""
        self.connection = connection
        self._active = False
        self.record.watch.touch()

    def detach(self, connection: Connection) -> None:
        """This connection is gone; a newer one may be there already."""
        if self.connection is connection:
            self.connection = None
            self._active = False
            self.record.watch.touch()

    async def activate(self) -> None:
        """It asks for its messages: sends all that it has not acknowledged, oldest first."""
        async with self._delivering:
            self._active = True
            waiting = list(self._mailbox.values())
            for node in waiting:
                node.attrs["offline"] = "1"
            count = {"count": str(len(waiting))}
            done = Node("ib", {"from": SERVER_JID}, [Node("offline", count)])
            await self._send([_preview(waiting), *waiting, done])
        self.record.watch.touch()

    async def deliver(self, nodes: Sequence[Node]) -> None:
        """Sends stanzas that must arrive, now or when it comes back."""
        async with self._delivering:
            self._mailbox |= {_mailbox_key(node.tag, node): node for node in nodes}
            if self._active:
                await self._send(nodes)

    async def mention(self, node: Node) -> None:
        """Sends a stanza that is worth nothing later, such as typing: lost when it is away."""
        if self._active:
            await self._send([node])

    def take_ack(self, ack: Node) -> None:
        """It acknowledges a stanza of ours."""
        tag = ack.text("class")
        self._mailbox.pop(_mailbox_key(tag, ack), None)
        if tag == "message":
            self.record.acked.add(ack.text("id"))

    def take_receipt(self, node: Node) -> None:
        """It says what became of messages; all but a request to retry acknowledge them."""
        receipt = SentReceipt.parse(node)
        self.record.receipts.append(receipt)
        if receipt.kind == "retry":
            return
        for wa_id in receipt.ids:
            self._mailbox.pop(("message", wa_id, ""), None)
        self.record.acked.update(receipt.ids)

    async def settled(self, notification: Node) -> None:
        """Sends a notification, and waits until all stanzas up to it were handled, or it is away.

        whatsmeow acknowledges every notification, of unknown types too, and handles stanzas in
        order (`client.go`, `handlerQueueLoop`).
        """
        key = _mailbox_key(notification.tag, notification)
        await self.deliver([notification])
        watch = self.record.watch
        await watch.until(
            lambda: key not in self._mailbox or not self._active, _PATIENCE, "ack of a notification"
        )

    async def _send(self, nodes: Iterable[Node]) -> None:
        try:
            for node in nodes:
                if self.connection is None:
                    return
                await self.connection.send(node)
        except ConnectionClosed:
            self._active = False


def _preview(waiting: list[Node]) -> Node:
    """Says what will come (whatsmeow `connectionevents.go`, `handleIB`: all five are read)."""
    tags = Counter(node.tag for node in waiting)
    counts = {
        "count": str(len(waiting)),
        "message": str(tags["message"]),
        "receipt": str(tags["receipt"]),
        "notification": str(tags["notification"]),
        "appdata": "0",
    }
    return Node("ib", {"from": SERVER_JID}, [Node("offline_preview", counts)])


def _mailbox_key(tag: str, node: Node) -> _Key:
    return tag, node.text("id"), node.text("type") if tag == "receipt" else ""


def _key_of(node: Node) -> tuple[int, bytes]:
    return int.from_bytes(node.data("id"), "big"), node.data("value")
