"""Somebody else, who writes to an account and reads what its companion sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from . import payloads
from .nodes import Attribute, Jid, Node
from .person import Person

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .network import Stamps
    from .phone import Phone

Addressing: TypeAlias = Literal["lid", "pn"]
ReceiptKind: TypeAlias = Literal["delivered", "read", "played"]
ChatMedia: TypeAlias = Literal["text", "audio"]


class Contact(Person):
    """A contact. Stanzas for a companion that is away wait until it is back."""

    def __init__(self, number: str, lid: str, name: str, stamps: Stamps) -> None:
        """Made by `LoopbackWhatsApp.contact`."""
        super().__init__(number, lid, name)
        self._stamps = stamps

    async def send_text(self, phone: Phone, text: str, *, addressing: Addressing = "lid") -> str:
        """Sends a text to the phone's companion; returns its WhatsApp id."""
        return await self.send_payload(phone, payloads.text(text), addressing=addressing)

    async def send_payload(
        self, phone: Phone, payload: bytes, *, addressing: Addressing = "lid", kind: str = "text"
    ) -> str:
        """Sends any encoded `waE2E.Message`; `kind` is the stanza's type: text, media, ..."""
        node = self._message(phone, payload, addressing, kind)
        await phone.deliver([node])
        return node.text("id")

    def encrypt_texts(
        self, phone: Phone, texts: Iterable[str], *, addressing: Addressing = "lid"
    ) -> list[Node]:
        """Messages ready for `phone.deliver`, encrypted beforehand; ids are in `node.attrs`."""
        return [self._message(phone, payloads.text(text), addressing, "text") for text in texts]

    async def type(
        self, phone: Phone, *, composing: bool = True, media: ChatMedia = "text"
    ) -> None:
        """Says that the contact types, or stopped; with `audio`, that it records."""
        state = Node("composing" if composing else "paused")
        if composing and media == "audio":
            state.attrs["media"] = "audio"
        await phone.companion.mention(Node("chatstate", {"from": self.lid_jid}, [state]))

    async def receipt(
        self,
        phone: Phone,
        wa_id: str | Sequence[str],
        kind: ReceiptKind = "delivered",
        *,
        addressing: Addressing = "lid",
    ) -> None:
        """Says what became of one message of the companion, or of several at once."""
        first, *rest = [wa_id] if isinstance(wa_id, str) else wa_id
        attrs = {**self._sender(addressing), "id": first, "t": self._stamps.seconds()}
        if kind != "delivered":
            attrs["type"] = kind
        items = [Node("item", {"id": other}) for other in rest]
        content = [Node("list", {}, items)] if items else None
        await phone.deliver([Node("receipt", attrs, content)])

    def _message(self, phone: Phone, payload: bytes, addressing: Addressing, kind: str) -> Node:
        stamp = {"id": self._stamps.wa_id(), "t": self._stamps.seconds()}
        about = {"type": kind, "notify": self.name}
        enc = self.encrypt(phone.companion, payload)
        return Node("message", {**self._sender(addressing), **stamp, **about}, [enc])

    def _sender(self, addressing: Addressing) -> dict[str, Attribute]:
        other: dict[Addressing, tuple[Jid, str, Jid]] = {
            "lid": (self.lid_jid, "sender_pn", self.pn_jid),
            "pn": (self.pn_jid, "sender_lid", self.lid_jid),
        }
        address, name, alternative = other[addressing]
        return {"from": address, name: alternative}
