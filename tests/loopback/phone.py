"""The account's own phone: it links a companion, and is the account on WhatsApp's side."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from websockets.exceptions import ConnectionClosed

from . import link_code, pairing, payloads
from .companion import Companion, NotLinkedError, Record, SentReceipt
from .nodes import SERVER_JID, Attribute, Jid, Node
from .pairing import Candidate, Introduction, PairingDesk, QrCode
from .person import Person

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from .history import HistoryChunk
    from .network import Directory, Stamps

_PATIENCE = 10.0
"""Seconds for each step that the companion takes at once."""


class Phone(Person):
    """An account's phone, with at most one companion at a time."""

    def __init__(
        self, number: str, lid: str, *, directory: Directory, desk: PairingDesk, stamps: Stamps
    ) -> None:
        """Made by `LoopbackWhatsApp.phone`."""
        super().__init__(number, lid, f"phone {number}")
        self._directory = directory
        self._desk = desk
        self._stamps = stamps
        self._record = Record()
        self._companion: Companion | None = None
        self._devices_ever = 0

    @property
    def companion(self) -> Companion:
        """The linked device; raises `NotLinkedError` when there is none."""
        if self._companion is None or not self._companion.linked:
            msg = f"{self.name} has no linked companion"
            raise NotLinkedError(msg)
        return self._companion

    @property
    def linked(self) -> bool:
        """Whether a companion is linked, connected or not."""
        return self._companion is not None and self._companion.linked

    @property
    def online(self) -> bool:
        """Whether the companion is logged in and takes messages."""
        return self.linked and self.companion.ready

    @property
    def acked(self) -> set[str]:
        """Ids of messages to the companion that it acknowledged, by ack or receipt."""
        return self._record.acked

    @property
    def receipts(self) -> list[SentReceipt]:
        """Receipts that the companion sent, in order."""
        return self._record.receipts

    @property
    def presences(self) -> list[Node]:
        """`<presence>` and `<chatstate>` stanzas that the companion sent, in order."""
        return self._record.presences

    async def scan(self, qr: str) -> None:
        """Scans a code and consents; waits for the connection that shows it.

        Raises:
            PairingError: if nobody shows this code, or the companion refuses.
        """
        code = QrCode.parse(qr)
        candidate = await self._desk.showing(code, _PATIENCE)
        await self._consent(candidate, code.introduction)

    async def link_with_code(self, code: str) -> None:
        """Types a linking code; waits for the companion that asked for this number.

        Raises:
            cryptography.exceptions.InvalidTag: if it is not the code that was shown.
        """
        candidate, hello = await self._desk.greeting(self.number, _PATIENCE)
        side = link_code.PhoneSide(code, self.party.identity)
        await candidate.connection.send(side.hello(hello, self._stamps.seconds()))
        watch = self._desk.watch
        await watch.until(lambda: candidate.finish is not None, _PATIENCE, "companion_finish")
        if candidate.finish:
            secret = side.secret(hello, candidate.finish)
            await self._consent(candidate, Introduction(candidate.finish.identity, secret))

    def connected(self, timeout: float = _PATIENCE) -> Coroutine[Any, Any, None]:
        """Awaits a companion that is logged in, has published its keys and takes messages."""
        return self.until(lambda: self.online, timeout)

    def until(
        self, condition: Callable[[], bool], timeout: float = _PATIENCE
    ) -> Coroutine[Any, Any, None]:
        """Awaits a condition that stanzas of this phone's companion change.

        Raises:
            TimeoutError: if it does not hold within `timeout` seconds.
        """
        what = f"such news of the companion of {self.name}"
        return self._record.watch.until(condition, timeout, what)

    async def deliver(self, nodes: Sequence[Node]) -> None:
        """Passes stanzas on to the companion, now or when it comes back."""
        await self.companion.deliver(nodes)

    async def send_text_to(self, contact: Person, text: str) -> str:
        """The owner writes on the phone: the companion gets its copy. Returns the id."""
        return await self.send_payload_to(contact, payloads.text(text))

    async def send_payload_to(self, contact: Person, content: bytes, kind: str = "text") -> str:
        """Like `send_text_to`, for any encoded `waE2E.Message`; `kind` is the stanza's type."""
        payload = payloads.device_sent(str(contact.lid_jid), content)
        about: dict[str, Attribute] = {
            "type": kind,
            "recipient": contact.lid_jid,
            "peer_recipient_pn": contact.pn_jid,
        }
        return await self._send_own(payload, about)

    async def send_history(self, *chunks: HistoryChunk) -> list[str]:
        """Sends chunks of the past, each inside its notice. Returns the notices' ids."""
        about: dict[str, Attribute] = {"type": "text", "category": "peer"}
        return [await self._send_own(chunk.notice(), about) for chunk in chunks]

    async def read_elsewhere(self, contact: Person, *wa_ids: str, kind: str = "read-self") -> None:
        """The owner read (or, `played-self`, heard) messages of a contact on the phone."""
        for wa_id in wa_ids:
            about: dict[str, Attribute] = {"from": self.lid_jid, "recipient": contact.lid_jid}
            stamp = {"id": wa_id, "t": self._stamps.seconds(), "type": kind}
            await self.deliver([Node("receipt", about | stamp)])

    async def fail(self, reason: int, **attrs: str) -> None:
        """Ends the companion's login with `<failure reason=...>`, as `refuse` does the next one.

        Sent on the line that stands: refused right at the login, the core may miss why.
        """
        connection = self.companion.connection
        if connection:
            about = {"reason": str(reason), **attrs, "location": "loopback"}
            await connection.send(Node("failure", about))

    def silence(self) -> None:
        """The companion's line stays open, and carries nothing any more, either way."""
        if self.companion.connection:
            self.companion.connection.silent = True

    async def drop(self) -> None:
        """Cuts the companion's connection, as a lost network does; it may come back."""
        companion, connection = self.companion, self.companion.connection
        if connection:
            connection.drop()
            await self.until(lambda: companion.connection is not connection)

    def refuse(self, reason: int, **attrs: str) -> None:
        """The companion's next login is answered with `<failure reason=...>`; 401 removes it.

        Further attributes are passed on, such as `code` and `expire` of a 402 (temporary ban).
        """
        self.companion.refusals.append({"reason": str(reason), **attrs})

    async def unlink(self) -> None:
        """The owner removes the device: the companion is told if it is there."""
        conflict = Node("conflict", {"type": "device_removed"})
        companion = self.companion
        self._directory.unlink(companion)
        await self._end(companion, Node("stream:error", {"code": "401"}, [conflict]))

    async def replace(self) -> None:
        """Tells the companion that the same device logged in elsewhere."""
        conflict = Node("conflict", {"type": "replaced"})
        await self._end(self.companion, Node("stream:error", {}, [conflict]))

    async def _consent(self, candidate: Candidate, introduction: Introduction) -> None:
        if self.linked:
            await self.unlink()
        self._devices_ever += 1
        jid = Jid(self.number, device=self._devices_ever)
        lid = self.lid_jid._replace(device=jid.device)
        companion = self._companion = Companion(jid, lid, self._record)
        self._directory.link(companion)
        seconds = self._stamps.seconds()
        success = pairing.success(self.party.identity, introduction, jid, lid, seconds)
        await pairing.confirm(candidate, success)

    async def _send_own(self, payload: bytes, about: dict[str, Attribute]) -> str:
        wa_id = self._stamps.wa_id()
        stamp: dict[str, Attribute] = {"id": wa_id, "t": self._stamps.seconds()}
        attrs = {"from": self.lid_jid} | stamp | about
        await self.deliver([self.message(self.companion, attrs, payload)])
        return wa_id

    async def _end(self, companion: Companion, error: Node) -> None:
        connection = companion.connection  # the companion may close it first, and be None then
        if connection:
            with contextlib.suppress(ConnectionClosed):
                await connection.send(error)
                await companion.settled(self._notification())
                await connection.close()

    def _notification(self) -> Node:
        stamp = {"id": self._stamps.wa_id(), "t": self._stamps.seconds(), "type": "loopback"}
        return Node("notification", {"from": SERVER_JID, **stamp})
