"""A group: its members, its name, and the sender keys that they write with.

Source of the protocol facts: whatsmeow `group.go` (notifications, description of a group),
`message.go` (sender keys), `send.go` (`sendGroup`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import payloads
from .nodes import GROUP_SERVER, Attribute, Jid, Node
from .phone import Phone
from .sender_keys import SenderKey, SenderKeyMessage

if TYPE_CHECKING:
    from .companion import Companion
    from .contact import Contact
    from .network import Stamps
    from .person import Person


class Group:
    """A group in LID addressing, as new ones are. Its first member made it."""

    def __init__(self, subject: str, members: list[Person], stamps: Stamps) -> None:
        """Made by `LoopbackWhatsApp.group`."""
        self.subject = subject
        self.members = members
        self._stamps = stamps
        self._creator = members[0]
        self._created = stamps.seconds()
        self.jid = Jid(f"1203630{int(stamps.wa_id()[-11:], 16):011d}", GROUP_SERVER)
        self._keys: dict[Person, SenderKey] = {}
        self._given: set[tuple[Person, Companion]] = set()
        self._received: dict[tuple[str, int], SenderKey] = {}

    def described(self) -> Node:
        """What WhatsApp says of the group to those who ask, and to those who come in."""
        creator = self._creator.lid_jid
        times = {"s_t": self._created, "creation": self._created}
        versions = {"p_v_id": "1", "a_v_id": "1", "addressing_mode": "lid"}
        attrs: dict[str, Attribute] = {"id": self.jid.user, "subject": self.subject}
        attrs |= {"creator": creator, "s_o": creator}
        attrs |= times | versions
        return Node("group", attrs, [self._participant(person) for person in self.members])

    async def announce(self) -> None:
        """The companions of members learn that they are in it."""
        await self._notify(self._creator, Node("create", {"type": "new"}, [self.described()]))

    async def rename(self, subject: str, by: Person) -> None:
        """Gives it another name."""
        self.subject = subject
        about: dict[str, Attribute] = {"subject": subject, "s_t": self._stamps.seconds()}
        await self._notify(by, Node("subject", {**about, "s_o": by.lid_jid}))

    async def add(self, person: Person, by: Person) -> None:
        """Somebody comes in."""
        self.members.append(person)
        await self._notify(by, self._change("add", person))

    async def remove(self, person: Person, by: Person) -> None:
        """Somebody leaves (`by` themselves) or is put out."""
        self.members.remove(person)
        await self._notify(by, self._change("remove", person))

    async def type(self, person: Person, *, composing: bool = True) -> None:
        """A member types, or stopped."""
        state = Node("composing" if composing else "paused")
        attrs: dict[str, Attribute] = {"from": self.jid, "participant": person.lid_jid}
        for phone in self._phones():
            await phone.companion.mention(Node("chatstate", attrs, [state]))

    async def send_text(self, sender: Contact, text: str) -> str:
        """A member writes; returns the message's id."""
        return await self.send_payload(sender, payloads.text(text))

    async def send_payload(
        self, sender: Contact, payload: bytes, kind: str = "text", *, give_key: bool = True
    ) -> str:
        """A member sends any encoded `waE2E.Message`; `kind` is the stanza's type.

        Without `give_key` its sender key is not given first, as when that message was lost.
        """
        key = self._keys.setdefault(sender, SenderKey.generate())
        gift = payloads.sender_key(str(self.jid), key.distribution())
        sealed = Node("enc", {"v": "2", "type": "skmsg"}, key.encrypt(payload))
        wa_id = self._stamps.wa_id()
        for phone in self._phones():
            attrs: dict[str, Attribute] = {"from": self.jid, "addressing_mode": "lid"}
            attrs |= {"participant": sender.lid_jid, "participant_pn": sender.pn_jid}
            attrs |= {"id": wa_id, "t": self._stamps.seconds(), "type": kind}
            attrs |= {"notify": sender.name}
            sender.keep(attrs, gift + payload)
            if (sender, phone.companion) in self._given or not give_key:
                content = [sealed]
            else:
                self._given.add((sender, phone.companion))
                content = [sender.encrypt(phone.companion, gift), sealed]
            await phone.deliver([Node("message", attrs, content)])
        return wa_id

    def learn(self, companion: Companion, distribution: bytes) -> None:
        """Takes the sender key of a member's companion."""
        key = SenderKey.of_distribution(distribution)
        self._received.setdefault((str(companion.jid), key.key_id), key)

    def receive(self, companion: Companion, node: Node) -> None:
        """Reads what a companion wrote to the group, for every other member.

        Raises:
            KeyError: if the companion has not given its sender key.
        """
        for enc in node.children("enc"):
            envelope = SenderKeyMessage.parse(enc.data())
            payload = self._received[str(companion.jid), envelope.key_id].decrypt(enc.data())
            for person in self.members:
                person.read(companion, node.text("id"), payload)

    def _phones(self) -> list[Phone]:
        return [p for p in self.members if isinstance(p, Phone) and p.linked]

    def _participant(self, person: Person) -> Node:
        attrs: dict[str, Attribute] = {"jid": person.lid_jid, "phone_number": person.pn_jid}
        return Node(
            "participant", attrs | ({"type": "superadmin"} if person is self._creator else {})
        )

    def _change(self, tag: str, person: Person) -> Node:
        return Node(tag, {"prev_v_id": "1", "v_id": "2"}, [self._participant(person)])

    async def _notify(self, by: Person, change: Node) -> None:
        stamp: dict[str, Attribute] = {"id": self._stamps.wa_id(), "t": self._stamps.seconds()}
        stamp |= {"participant": by.lid_jid, "participant_pn": by.pn_jid}
        about: dict[str, Attribute] = {"from": self.jid, "type": "w:gp2", "notify": by.name}
        for phone in self._phones():
            await phone.deliver([Node("notification", stamp | about, [change])])
