"""Who the sessions know, least recently used first to go."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from sortedcontainers import SortedList

from sessions.cache.byte_lru import ByteLRU, Usage
from sessions.cache.sizing import CONTACT_OVERHEAD, text_cost
from sessions.ids import SessionKey
from sessions.models import Contact


class _Kept:
    """A contact with its weight."""

    __slots__ = ("contact", "nbytes")

    def __init__(self, contact: Contact) -> None:
        texts = (contact.jid, contact.lid, contact.name, contact.push_name, contact.picture_id)
        self.contact = contact
        self.nbytes = CONTACT_OVERHEAD + sum(text_cost(text) for text in texts)


class ContactCache:
    """All contacts of all workspaces."""

    def __init__(self, max_bytes: int) -> None:
        """Hold contacts of at most ``max_bytes`` together."""
        self._kept: ByteLRU[tuple[SessionKey, str], _Kept] = ByteLRU(max_bytes, self._evicted)
        self._by_workspace: dict[str, SortedList[tuple[str, str]]] = {}
        #: Whether no contact has left: who is not here is nowhere.
        self.is_whole = True

    def get(self, key: SessionKey, jid: str) -> Contact | None:
        """Return the contact."""
        kept = self._kept.find((key, jid))
        return kept.contact if kept else None

    def look(self, key: SessionKey, jid: str) -> Contact | None:
        """Return the contact without counting it as used."""
        kept = self._kept.peek((key, jid))
        return kept.contact if kept else None

    def learn(self, key: SessionKey, contact: Contact) -> Contact | None:
        """Join what is new to what is known; return the contact if that changed it."""
        before = self._kept.get((key, contact.jid))
        known = before.contact if before else None
        after = contact if known is None else _join(known, contact)
        if after == known:
            return None
        if not self._kept.put((key, contact.jid), _Kept(after)):
            if known is not None:
                self._forget(key, contact.jid)
            self.is_whole = False
            return None
        if known is None:
            self._name(key, contact.jid)
        return after

    def restore(self, key: SessionKey, contact: Contact) -> None:
        """Put a contact back that was here before."""
        kept, name = _Kept(contact), (key, contact.jid)
        if name not in self._kept and self._kept.put(name, kept):
            self._name(key, contact.jid)

    def restore_cold(self, key: SessionKey, contact: Contact, share: float) -> bool:
        """Put a contact back as the least recently used; False where it would fill over ``share``."""
        kept, name = _Kept(contact), (key, contact.jid)
        if name in self._kept:
            return True
        if kept.nbytes > self._kept.room(share):
            return False
        self._kept.put_cold(name, kept)
        self._name(key, contact.jid)
        return True

    def page(
        self,
        workspace: str,
        session: str | None,
        after: tuple[str, str] | None,
        limit: int,
        visible: frozenset[str] | None = None,
    ) -> tuple[list[Contact], tuple[str, str] | None]:
        """Return contacts by session and JID, and where to go on; of ``visible`` sessions (None: all)."""
        names = self._by_workspace.get(workspace, SortedList())
        wanted: list[str | None] = [session]
        if visible is not None:
            wanted = [*sorted(visible if session is None else visible & {session})]
        following = chain.from_iterable(_of(names, name, after) for name in wanted)
        found = list(islice(following, limit + 1))
        contacts = [self._kept[(SessionKey(workspace, s), jid)].contact for s, jid in found[:limit]]
        return contacts, found[limit - 1] if len(found) > limit else None

    def forget(self, key: SessionKey, jid: str) -> bool:
        """Forget one contact; tell whether it was here."""
        if self._kept.pop((key, jid), None) is None:
            return False
        self._forget(key, jid)
        return True

    def of_session(self, key: SessionKey) -> Iterator[Contact]:
        """Yield a session's contacts without counting them as used; those that leave meanwhile not."""
        names = self._by_workspace.get(key.workspace, SortedList())
        for _, jid in list(names.irange((key.session, ""), (key.session, "\x7f"))):
            kept = self._kept.peek((key, jid))
            if kept is not None:
                yield kept.contact

    def drop_session(self, key: SessionKey) -> None:
        """Forget the contacts of a session."""
        names = self._by_workspace.get(key.workspace, SortedList())
        of_session = names.irange((key.session, ""), (key.session, "\x7f"))
        for _, jid in list(of_session):
            del self._kept[(key, jid)]
            self._forget(key, jid)

    def usage(self) -> Usage:
        """Return the figures."""
        return self._kept.usage()

    def _evicted(self, name: tuple[SessionKey, str], kept: _Kept) -> None:
        self._forget(*name)
        self.is_whole = False

    def _name(self, key: SessionKey, jid: str) -> None:
        self._by_workspace.setdefault(key.workspace, SortedList()).add((key.session, jid))

    def _forget(self, key: SessionKey, jid: str) -> None:
        self._by_workspace[key.workspace].remove((key.session, jid))


def _of(
    names: SortedList[tuple[str, str]], session: str | None, after: tuple[str, str] | None
) -> Iterator[tuple[str, str]]:
    """Return the names of a session, of all for None, behind ``after``."""
    start, stop = after, None
    if session is not None:
        start, stop = max(after or ("", ""), (session, "")), (session, "\x7f")
        if start > stop:
            return iter(())
    return iter(names.irange(start, stop, inclusive=(False, True)))


def _join(known: Contact, news: Contact) -> Contact:
    """Return the contact with what ``news`` knows over what was known."""
    return Contact(
        session=known.session,
        jid=known.jid,
        pn=news.pn or known.pn,
        lid=news.lid or known.lid,
        name=news.name or known.name,
        push_name=news.push_name or known.push_name,
        picture_id=news.picture_id or known.picture_id,
        picture_url=news.picture_url or known.picture_url,
    )
