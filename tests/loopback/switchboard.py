"""What the server does with each stanza of a companion.

Source of the protocol facts: whatsmeow `client.go` (`nodeHandlers`), `send.go`, `receipt.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .answers import answer
from .link_code import TAG as LINK_CODE, Finish, Hello
from .nodes import SERVER_JID, Content, Node

if TYPE_CHECKING:
    from .companion import Companion
    from .connection import Connection
    from .network import Directory, Stamps
    from .pairing import Candidate, PairingDesk


class Switchboard:
    """Handles the stanzas of logged-in companions."""

    def __init__(self, directory: Directory, stamps: Stamps) -> None:
        """Shares the server's directory and stamps."""
        self._directory = directory
        self._stamps = stamps

    async def handle(self, companion: Companion, connection: Connection, node: Node) -> None:
        """Handles one stanza, then wakes who waits for news of this companion."""
        match node.tag:
            case "iq":
                await self._request(companion, connection, node)
            case "message":
                await self._message(companion, connection, node)
            case "receipt":
                companion.take_receipt(node)
                await connection.send(_ack(node, {}))
                await self._retry(companion, node)
            case "ack":
                companion.take_ack(node)
            case "presence" | "chatstate":
                companion.record.presences.append(node)
            case _:
                pass
        companion.record.watch.touch()

    async def _request(self, companion: Companion, connection: Connection, iq: Node) -> None:
        if iq.text("type") not in ("get", "set"):
            return
        await connection.send(result(iq, answer(iq, companion, self._directory) or None))
        if iq.text("xmlns") == "passive" and iq.child("active"):
            await companion.activate()
        if iq.child("remove-companion-device"):
            self._directory.unlink(companion)

    async def _message(self, companion: Companion, connection: Connection, node: Node) -> None:
        await connection.send(_ack(node, {"t": self._stamps.seconds()}))
        participants = node.child("participants")
        group = self._directory.group(node.jid("to"))
        for to in participants.children("to") if participants else []:
            person = self._directory.person(to.jid("jid"))
            enc = to.child("enc")
            if person and enc:
                distribution = person.receive(companion, node.text("id"), enc)
                if group and distribution:
                    group.learn(companion, distribution)
        if group:
            group.receive(companion, node)

    async def _retry(self, companion: Companion, receipt: Node) -> None:
        """The companion could not read a message: its sender's phone sends it again."""
        if receipt.text("type") != "retry":
            return
        sender = receipt.jid("participant" if "participant" in receipt.attrs else "to")
        person = self._directory.person(sender)
        again = person.again(companion, receipt.text("id")) if person else None
        if again:
            await companion.deliver([again])


async def handle_candidate(desk: PairingDesk, candidate: Candidate, iq: Node) -> None:
    """Handles a stanza of a connection that is not paired yet."""
    if iq.tag != "iq" or iq.text("type") not in ("get", "set"):
        return
    content: Content = None
    request = iq.child(LINK_CODE)
    match request.text("stage") if request else "":
        case "companion_hello" if request:
            candidate.hello = Hello.parse(request)
            ref = Node("link_code_pairing_ref", {}, candidate.hello.ref)
            content = [Node(LINK_CODE, {"stage": "companion_hello"}, [ref])]
        case "companion_finish" if request:
            candidate.finish = Finish.parse(request)
    await candidate.connection.send(result(iq, content))
    desk.watch.touch()


def result(iq: Node, content: Content = None) -> Node:
    """The positive answer to a request."""
    return Node("iq", {"from": SERVER_JID, "type": "result", "id": iq.text("id")}, content)


def _ack(node: Node, attrs: dict[str, str]) -> Node:
    about = {"class": node.tag, "id": node.text("id"), "from": node.attrs.get("to", SERVER_JID)}
    return Node("ack", {**about, **attrs})
