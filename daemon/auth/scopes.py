"""What a credential may do. One table: the parsers, the routes and the reference read it."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """The scopes that a credential can carry."""

    READ = "read"
    SEND = "send"
    MANAGE = "manage"
    METADATA = "metadata"
    ADMIN = "admin"
    PAIR = "pair"
    STREAM = "stream"
    MEDIA = "media"


#: What each scope opens, in a sentence for the reference.
MEANING: dict[Scope, str] = {
    Scope.READ: "Read sessions, chats, messages, contacts and metadata, and open streams.",
    Scope.SEND: "Send messages, mark chats read, show typing.",
    Scope.MANAGE: "Create, start, stop, pair, log out and delete sessions.",
    Scope.METADATA: "Read and write assignments, tags, notes, quick replies and settings.",
    Scope.ADMIN: "All of the above, in this workspace, and exports and erasures.",
    Scope.PAIR: "See the QR code and the pairing code of a session, for a browser.",
    Scope.STREAM: "Open streams only, for a browser.",
    Scope.MEDIA: "Fetch media only, for a browser.",
}

#: What a scope includes beside itself.
_INCLUDES: dict[Scope, frozenset[Scope]] = {
    Scope.ADMIN: frozenset(Scope),
    Scope.READ: frozenset({Scope.STREAM, Scope.MEDIA}),
    Scope.MANAGE: frozenset({Scope.PAIR}),
}


def parse_scopes(text: str) -> frozenset[Scope]:
    """Return the scopes of a list with commas or blanks; raise ``ValueError`` naming a wrong one."""
    return frozenset(Scope(word) for word in text.replace(",", " ").split())


def widen(scopes: frozenset[Scope]) -> frozenset[Scope]:
    """Return the scopes with all that they include."""
    return scopes.union(*(_INCLUDES.get(scope, frozenset()) for scope in scopes))


def known_scopes(text: str) -> frozenset[Scope]:
    """Return the scopes of a list, leaving out words that are none (another party's scopes)."""
    words = set(text.replace(",", " ").split())
    return frozenset(scope for scope in Scope if scope.value in words)
