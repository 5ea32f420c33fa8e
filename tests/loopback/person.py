"""Somebody with a phone: addresses, Signal keys, and sessions with companions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import payloads
from .nodes import LID_SERVER, Attribute, Jid, Node
from .ratchet import Party, PreKeyMessage, RatchetError, Session

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from .companion import Companion


@dataclass(frozen=True, slots=True)
class DecryptedMessage:
    """A message that a companion sent, as its receiver reads it.

    `payload` is the whole encoded `waE2E.Message`; `text` is empty when it is no text.
    """

    wa_id: str
    text: str
    sender: Jid
    payload: bytes


class Person:
    """Base of contacts and of the accounts' own phones."""

    def __init__(self, number: str, lid: str, name: str) -> None:
        """`number` and `lid` are the user parts of the two addresses: digits only."""
        self.number = number
        self.lid = lid
        self.name = name
        self.party = Party()
        self._sessions: dict[Companion, list[Session]] = {}
        self._sent: dict[str, tuple[dict[str, Attribute], bytes]] = {}
        self._inbox: asyncio.Queue[DecryptedMessage] = asyncio.Queue()

    @property
    def pn_jid(self) -> Jid:
        """The address by phone number."""
        return Jid(self.number)

    @property
    def lid_jid(self) -> Jid:
        """The address by LID."""
        return Jid(self.lid, LID_SERVER)

    def next_message(self, timeout: float = 10) -> Coroutine[Any, Any, DecryptedMessage]:
        """Awaits the next message that a companion sent to this person, in order.

        Raises:
            TimeoutError: if none came within `timeout` seconds.
        """
        return self._take(timeout)

    def encrypt(self, companion: Companion, payload: bytes) -> Node:
        """An `<enc>` that only this companion can read."""
        sessions = self._sessions.setdefault(companion, [])
        if not sessions:
            sessions.append(Session.initiate(self.party, companion.bundle()))
        sealed = sessions[0].encrypt(payload)
        return Node("enc", {"v": "2", "type": sealed.kind}, sealed.data)

    def message(self, companion: Companion, attrs: dict[str, Attribute], payload: bytes) -> Node:
        """A `<message>` for this companion, which may ask for it again."""
        self.keep(attrs, payload)
        return Node("message", attrs, [self.encrypt(companion, payload)])

    def keep(self, attrs: dict[str, Attribute], payload: bytes) -> None:
        """Remembers a message, in case a companion cannot read it and asks for it again."""
        self._sent[str(attrs["id"])] = attrs, payload

    def again(self, companion: Companion, wa_id: str) -> Node | None:
        """The same message under new keys, as phones answer a `retry` receipt."""
        if wa_id not in self._sent:
            return None
        attrs, payload = self._sent[wa_id]
        self._sessions.pop(companion, None)
        enc = self.encrypt(companion, payload)
        enc.attrs["count"] = "1"
        return Node("message", attrs, [enc])

    def receive(self, companion: Companion, wa_id: str, enc: Node) -> bytes:
        """Decrypts what a companion wrote to this person's phone, into the inbox.

        Returns a sender key that came instead of a message; it is nothing to read.

        Raises:
            RatchetError: if no session can read it.
        """
        payload = payloads.unwrap(self._decrypt(companion, enc))
        distribution = payloads.sender_key_of(payload)
        if not distribution:
            self.read(companion, wa_id, payload)
        return distribution

    def read(self, companion: Companion, wa_id: str, payload: bytes) -> None:
        """Puts what a companion wrote into the inbox."""
        text = payloads.text_of(payload)
        self._inbox.put_nowait(DecryptedMessage(wa_id, text, companion.jid, payload))

    async def _take(self, seconds: float) -> DecryptedMessage:
        try:
            async with asyncio.timeout(seconds):
                return await self._inbox.get()
        except TimeoutError:
            msg = f"no message to {self.name} within {seconds} s"
            raise TimeoutError(msg) from None

    def _decrypt(self, companion: Companion, enc: Node) -> bytes:
        data = enc.data()
        if enc.text("type") == "msg":
            return self._decrypt_known(companion, data)
        first = PreKeyMessage.parse(data)
        try:
            return self._decrypt_known(companion, first.message)
        except RatchetError:
            session = Session.accept(self.party, first)
            plaintext = session.decrypt(first.message)
            self._sessions.setdefault(companion, []).insert(0, session)
            return plaintext

    def _decrypt_known(self, companion: Companion, message: bytes) -> bytes:
        sessions = self._sessions.get(companion, [])
        for session in list(sessions):
            try:
                plaintext = session.decrypt(message)
            except RatchetError:
                continue
            sessions.remove(session)
            sessions.insert(0, session)
            return plaintext
        msg = f"{self.name} has no session that reads this message of {companion.jid}"
        raise RatchetError(msg)
