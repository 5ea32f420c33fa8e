"""Somebody else, who writes to an account and reads what its companion sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from . import payloads
from .nodes import Attribute, Node
from .person import Person

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .network import Stamps
    from .phone import Phone

Addressing: TypeAlias = Literal["lid", "pn", "lid_alone"]
"""By LID or by phone number, each with the other beside it; or by a LID whose number is not told."""
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

    async def send_marked(self, phone: Phone, text: str, **attrs: str) -> str:
        """Sends a text whose stanza has other attributes, or more, than usual."""
        node = self._message(phone, payloads.text(text), "lid", "text")
        node.attrs |= attrs
        await phone.deliver([node])
        return node.text("id")

    async def send_damaged(self, phone: Phone, text: str, **attrs: str) -> str:
        """Sends a text that cannot be decrypted; asked for it again, the phone sends it whole.

        `attrs` are further ones of the `<enc>`, such as `decrypt-fail`.
        """
        node = self._message(phone, payloads.text(text), "lid", "text")
        enc = node.children("enc")[0]
        enc.attrs |= attrs
        enc.content = enc.data()[:-1] + bytes([enc.data()[-1] ^ 1])
        await phone.deliver([node])
        return node.text("id")

    async def send_unavailable(self, phone: Phone, kind: str = "view_once") -> str:
        """Sends what companions do not get: they are told only that the phone has it."""
        stamp = {"id": self._stamps.wa_id(), "t": self._stamps.seconds(), "notify": self.name}
        attrs = {**self._sender("lid"), **stamp, "type": "media"}
        await phone.deliver([Node("message", attrs, [Node("unavailable", {"type": kind})])])
        return stamp["id"]

    async def show(self, phone: Phone, *, online: bool, last_seen: int | None = None) -> None:
        """Comes or goes; `last_seen` in Unix seconds, where the contact lets it be known."""
        attrs: dict[str, Attribute] = {"from": self.lid_jid}
        if not online:
            attrs |= {"type": "unavailable", "last": str(last_seen) if last_seen else "deny"}
        await phone.companion.mention(Node("presence", attrs))

    async def call(self, phone: Phone, *, video: bool = False) -> str:
        """Rings; returns the call's id."""
        call_id = self._stamps.wa_id()
        content = [Node("audio", {"enc": "opus", "rate": "16000"})]
        content += [Node("video", {"enc": "vp8"})] if video else []
        await self._signal(phone, "offer", call_id, content)
        return call_id

    async def end_call(self, phone: Phone, call_id: str, reason: str = "timeout") -> None:
        """The call ends: nobody took it, somebody rejected it, or they hung up."""
        await self._signal(phone, "terminate", call_id, None, reason=reason)

    async def _signal(
        self, phone: Phone, tag: str, call_id: str, content: list[Node] | None, **about: str
    ) -> None:
        stamp = {"id": self._stamps.wa_id(), "t": self._stamps.seconds()}
        attrs: dict[str, Attribute] = {"call-id": call_id, "call-creator": self.lid_jid}
        child = Node(tag, {**attrs, "caller_pn": self.pn_jid, **about}, content)
        version = {"platform": "android", "version": "2.26.40.1"}
        await phone.deliver([Node("call", {"from": self.lid_jid, **stamp, **version}, [child])])

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
        attrs = {**self._sender(addressing), **stamp, **about}
        return self.message(phone.companion, attrs, payload)

    def _sender(self, addressing: Addressing) -> dict[str, Attribute]:
        lid, pn = self.lid_jid, self.pn_jid
        addresses: dict[Addressing, dict[str, Attribute]] = {
            "lid": {"from": lid, "sender_pn": pn},
            "pn": {"from": pn, "sender_lid": lid},
            "lid_alone": {"from": lid},
        }
        return addresses[addressing]
