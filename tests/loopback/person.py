"""Somebody with a phone: addresses, Signal keys, and sessions with companions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import payloads
from .nodes import LID_SERVER, Jid, Node
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

    def receive(self, companion: Companion, wa_id: str, enc: Node) -> None:
        """Decrypts what a companion wrote to this person's phone, into the inbox.

        Raises:
            RatchetError: if no session can read it.
        """
        payload = payloads.unwrap(self._decrypt(companion, enc))
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
