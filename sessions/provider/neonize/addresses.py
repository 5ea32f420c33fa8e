"""Addresses as the library gives them, and as clients see them.

A person has two: the phone number's and the LID. Clients see the number where it is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cachetools import LRUCache

from sessions import ids
from sessions.errors import InvalidJid
from sessions.events import ChatAddress, LidLearned
from sessions.provider.neonize.lids import LidMap

_MAX_REMEMBERED = 20_000


def plain(jid: Any) -> str:
    """Return a ``neonize.JID`` without its device part, empty for none."""
    if not jid.Server or not jid.User:
        return jid.Server if jid.Server == "status@broadcast" else ""
    return plain_text(f"{jid.User}@{jid.Server}")


def plain_text(text: str) -> str:
    """Return an address without its device part; strange ones are kept, never refused.

    A message from an address that we cannot parse (``0@s.whatsapp.net``) still is a message.
    """
    try:
        return ids.parse_jid(text)
    except InvalidJid:
        user, _, server = text.partition("@")
        return f"{user.split(':', 1)[0]}@{server}" if server else text


class Addresses:
    """Who is who in one session: its own addresses, the LID map, how chats are written to."""

    def __init__(self, lids: LidMap) -> None:
        """Start with what ``lids`` knows."""
        self.lids = lids
        self.own_pn = ""
        self.own_lid: str | None = None
        self._wire: LRUCache[tuple[str, str], str] = LRUCache(_MAX_REMEMBERED)

    def own(self, pn: str, lid: str | None) -> None:
        """Take the session's own addresses."""
        self.own_pn, self.own_lid = pn, lid
        if lid:
            self.lids.learn(lid, pn)

    def is_own(self, jid: str) -> bool:
        """Tell whether a canonical or LID address is the account's own."""
        return bool(jid) and jid in (self.own_pn, self.own_lid)

    def canonical(self, jid: str) -> str:
        """Return the phone number's address where it is known, else ``jid``."""
        return (self.lids.pn_of(jid) or jid) if jid.endswith("@lid") else jid

    def lid(self, jid: str) -> str | None:
        """Return the LID of somebody else; the account's own messages never go by its own."""
        return None if self.is_own(jid) else self.lids.lid_of(jid)

    def chat(self, jid: str) -> ChatAddress:
        """Return the chat of an address, with what is known of its other one."""
        jid = self.canonical(jid)
        if jid.endswith(f"@{ids.USER}"):
            return ChatAddress(jid=jid, pn=jid, lid=self.lids.lid_of(jid))
        return ChatAddress(jid=jid, lid=jid if jid.endswith("@lid") else None)

    def learn(self, one: str, other: str) -> Iterator[LidLearned]:
        """Take two addresses of one person; yield the event if that is news."""
        news = self.lids.learn(one, other) if one and other else None
        if news is not None:
            yield LidLearned(lid=news[0], pn=news[1])

    def learn_source(self, source: Any) -> Iterator[LidLearned]:
        """Take the addresses that a ``MessageSource`` gives in pairs."""
        yield from self.learn(plain(source.Sender), plain(source.SenderAlt))
        if source.IsFromMe and not source.IsGroup:
            yield from self.learn(plain(source.Chat), plain(source.RecipientAlt))

    def remember_wire(self, chat: str, jid: str) -> None:
        """Remember by which of their addresses somebody wrote in a chat."""
        self._wire[self.canonical(chat), self.canonical(jid)] = jid

    def wire(self, chat: str, jid: str) -> str:
        """Return the address for receipts and typing: the one that was written from."""
        return self._wire.get((chat, jid), jid)
