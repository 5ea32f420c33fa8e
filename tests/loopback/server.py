"""`LoopbackWhatsApp`: the server on 127.0.0.1 that tests talk to. Start reading here."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from . import dictionary
from .certificate import issue
from .connection import Connection
from .contact import Contact
from .group import Group
from .media_host import MediaHost
from .network import Directory, Stamps
from .nodes import Node
from .pairing import PairingDesk
from .phone import Phone
from .switchboard import Switchboard, handle_candidate

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from websockets.http11 import Request, Response

    from .companion import Companion, SentReceipt
    from .person import Person

_WORKER = Path(__file__).with_name("worker.py")
_LOGGED_OUT = "401"

# ClientPayload (waWa6): username = 1, device = 18, devicePairingData = 19
_USERNAME, _DEVICE, _PAIRING_DATA = 1, 18, 19


class LoopbackWhatsApp:
    """WhatsApp for tests, on a free port of 127.0.0.1, in the test's own event loop."""

    def __init__(self, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """`clock` gives the aware time that certificates and stanzas carry."""
        identity = issue(clock())
        self.root_key = identity.root_key
        """What the worker must take for WhatsApp's root key, 32 bytes."""
        self.qr_refs = 6
        """Codes that a companion may show: with 6, the first for 60 s, then 20 s each."""
        self.accepting = True
        """While False, connections are refused (HTTP 503): WhatsApp is down."""
        self.media = MediaHost()
        """Where files are kept: `media.keep`, then `kinds.File` with what it gave."""
        self.errors: list[Exception] = []
        """What went wrong in the server itself; leaving the context raises it."""
        self._identity = identity
        self._dictionary = dictionary.load()
        self._directory = Directory()
        self._desk = PairingDesk()
        self._stamps = Stamps(clock)
        self._switchboard = Switchboard(self._directory, self._stamps)
        self._server: Server | None = None

    @property
    def port(self) -> int:
        """The TCP port; only while started."""
        if self._server is None:
            msg = "the loopback WhatsApp is not started"
            raise RuntimeError(msg)
        port: int = next(iter(self._server.sockets)).getsockname()[1]
        return port

    def contact(self, number: str, *, lid: str, name: str) -> Contact:
        """Adds somebody who has WhatsApp; digits only in `number` and `lid`."""
        contact = Contact(number, lid, name, self._stamps)
        self._directory.add(contact)
        return contact

    def phone(self, number: str, *, lid: str) -> Phone:
        """Adds an account's own phone; it has no companion yet."""
        phone = Phone(number, lid, directory=self._directory, desk=self._desk, stamps=self._stamps)
        self._directory.add(phone)
        return phone

    def group(self, subject: str, creator: Person, *others: Person) -> Group:
        """Adds a group; nobody's companion is told of it before `announce`."""
        group = Group(subject, [creator, *others], self._stamps)
        self._directory.add_group(group)
        return group

    def receipts_from(self, phone: Phone) -> list[SentReceipt]:
        """The receipts that the phone's companion sent, in order."""
        return phone.receipts

    def worker_command(self) -> list[str]:
        """The command of a session worker whose neonize core talks to this server."""
        where = ["--loopback-port", str(self.port), "--loopback-root", self.root_key.hex()]
        return [sys.executable, str(_WORKER), *where]

    async def start(self) -> None:
        """Listens on a free port, and on another for files."""
        await self.media.start()
        self._directory.media_address = self.media.address
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            0,
            process_request=self._admit,
            compression=None,
            ping_interval=None,
            max_size=None,
            close_timeout=1,
        )

    async def stop(self) -> None:
        """Closes all connections and the ports."""
        await self.media.stop()
        if self._server:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def __aenter__(self) -> Self:
        """Starts."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stops; raises what went wrong in the server, unless the test failed by itself."""
        await self.stop()
        if self.errors and error is None:
            msg = "the loopback WhatsApp failed"
            raise ExceptionGroup(msg, self.errors)

    def _admit(self, socket: ServerConnection, _request: Request) -> Response | None:
        if self.accepting:
            return None
        return socket.respond(HTTPStatus.SERVICE_UNAVAILABLE, "WhatsApp is down\n")

    async def _serve(self, socket: ServerConnection) -> None:
        try:
            connection = await Connection.open(socket, self._identity, self._dictionary)
            if _PAIRING_DATA in connection.transport.payload:
                await self._pair(connection)
            else:
                await self._login(connection)
        except (ConnectionClosed, EOFError):
            return
        except Exception as error:
            self.errors.append(error)
            raise

    async def _pair(self, connection: Connection) -> None:
        candidate = await self._desk.offer(connection, self.qr_refs)
        try:
            async for node in connection.stanzas():
                await handle_candidate(self._desk, candidate, node)
        finally:
            self._desk.withdraw(candidate)

    async def _login(self, connection: Connection) -> None:
        payload = connection.transport.payload
        number, device = str(payload.integer(_USERNAME)), payload.integer(_DEVICE)
        companion = self._directory.companion(number, device)
        refusal = self._refusal(companion)
        if companion is None or refusal:
            await connection.send(Node("failure", {**refusal, "location": "loopback"}))
            await connection.close()
            return
        companion.attach(connection)
        try:
            await self._converse(companion, connection)
        finally:
            companion.detach(connection)

    def _refusal(self, companion: Companion | None) -> dict[str, str]:
        if companion is None:
            return {"reason": _LOGGED_OUT}
        refusal = companion.refusals.popleft() if companion.refusals else {}
        if refusal.get("reason") == _LOGGED_OUT:
            self._directory.unlink(companion)
        return refusal

    async def _converse(self, companion: Companion, connection: Connection) -> None:
        stamp = {"t": self._stamps.seconds(), "location": "loopback"}
        await connection.send(Node("success", {**stamp, "lid": companion.lid}))
        async for node in connection.stanzas():
            await self._switchboard.handle(companion, connection, node)
