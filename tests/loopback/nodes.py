"""Values of WhatsApp's stanzas: `Jid` and `Node`. How they look on the wire is in `binary`.

Source of the protocol facts: whatsmeow `types/jid.go`, `binary/node.go`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

PHONE_SERVER = "s.whatsapp.net"
LID_SERVER = "lid"
GROUP_SERVER = "g.us"


class Jid(NamedTuple):
    """An address: `user@server`, or `user:device@server` for one of the user's devices.

    Device 0 is the phone itself; companions count from 1.
    """

    user: str
    server: str = PHONE_SERVER
    device: int = 0

    @property
    def bare(self) -> Jid:
        """The same user without the device."""
        return self._replace(device=0)

    def __str__(self) -> str:
        """The address as people write it."""
        device = f":{self.device}" if self.device else ""
        return f"{self.user}{device}@{self.server}" if self.user else self.server


SERVER_JID = Jid("")
"""Where a stanza comes from that WhatsApp itself sends."""

Attribute: TypeAlias = str | Jid
Content: TypeAlias = "list[Node] | bytes | None"


@dataclass(slots=True, init=False)
class Node:
    """One stanza or a part of one: a tag, attributes, and children or bytes or nothing."""

    tag: str
    attrs: dict[str, Attribute]
    content: Content

    def __init__(
        self, tag: str, attrs: Mapping[str, Attribute] | None = None, content: Content = None
    ) -> None:
        """Copies the attributes."""
        self.tag = tag
        self.attrs = dict(attrs or {})
        self.content = content

    def children(self, tag: str | None = None) -> list[Node]:
        """The child nodes, or those with this tag."""
        nodes = self.content if isinstance(self.content, list) else []
        return [node for node in nodes if tag is None or node.tag == tag]

    def child(self, *path: str) -> Node | None:
        """The first node found by following tags from here; None when there is none."""
        node: Node | None = self
        for tag in path:
            node = next(iter(node.children(tag)), None) if node else None
        return node

    def data(self, *path: str) -> bytes:
        """The bytes held by the node at `path`; empty when it is missing or holds none."""
        node = self.child(*path)
        return node.content if node and isinstance(node.content, bytes) else b""

    def text(self, name: str) -> str:
        """An attribute as text; empty when it is missing."""
        return str(self.attrs.get(name, ""))

    def jid(self, name: str) -> Jid:
        """An attribute that must be an address."""
        value = self.attrs.get(name)
        if not isinstance(value, Jid):
            msg = f"<{self.tag}> has no address in {name!r}: {value!r}"
            raise TypeError(msg)
        return value
