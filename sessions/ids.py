"""Names of things: workspaces, sessions, JIDs, chats, messages.

A chat is named ``{session}:{jid}`` wherever it is named. The JID is canonical: device
part stripped, the phone number's address where it is known, else the LID's.
Protocol facts: whatsmeow ``types/jid.go`` (servers), Baileys ``jid-utils`` (``@c.us``).
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from typing import NamedTuple

from sessions.errors import InvalidId, InvalidJid

WORKSPACE_PATTERN = r"[a-z0-9][a-z0-9-]{0,59}"
SESSION_PATTERN = r"[a-z0-9][a-z0-9_-]{0,63}"
USER, LID, GROUP = "s.whatsapp.net", "lid", "g.us"
NEWSLETTER, BROADCAST = "newsletter", "broadcast"

_WORKSPACE = re.compile(WORKSPACE_PATTERN)
_SESSION = re.compile(SESSION_PATTERN)
# The longest user part in the wild is an old group's "<creator>-<timestamp>": 25 digits and a dash.
_USER_PART = {
    USER: re.compile(r"0|[0-9]{5,20}"),  # 0 is WhatsApp itself
    LID: re.compile(r"[0-9]{5,20}"),
    GROUP: re.compile(r"[0-9]{5,20}(-[0-9]{5,20})?"),
    NEWSLETTER: re.compile(r"[0-9]{5,25}"),
    BROADCAST: re.compile(r"status|[0-9]{5,20}"),
}
_SERVER_ALIASES = {"c.us": USER, "hosted": USER, "hosted.lid": LID}
_PHONE = re.compile(r"[0-9]{7,15}")  # E.164 allows 15 digits; the shortest in use have 7
_KINDS = {USER: "user", LID: "user", GROUP: "group", NEWSLETTER: "newsletter"}


class SessionKey(NamedTuple):
    """A session's whole name: no map of the engine is keyed by less."""

    workspace: str
    session: str


class ChatRef(NamedTuple):
    """A chat's whole name."""

    workspace: str
    session: str
    jid: str

    @property
    def key(self) -> SessionKey:
        """The session that the chat belongs to."""
        return SessionKey(self.workspace, self.session)

    @property
    def id(self) -> str:
        """The chat id as clients see it."""
        return chat_id(self.session, self.jid)


def check_workspace(name: str) -> str:
    """Return ``name``; raise ``InvalidId`` if no workspace can have it."""
    if not _WORKSPACE.fullmatch(name):
        raise InvalidId("A workspace is 1-60 characters of a-z, 0-9 and -, not starting with -.")
    return name


def check_session(name: str) -> str:
    """Return ``name``; raise ``InvalidId`` if no session can have it."""
    if not _SESSION.fullmatch(name):
        raise InvalidId(
            "A session id is 1-64 characters of a-z, 0-9, _ and -, starting with a-z or 0-9."
        )
    return name


def parse_jid(text: str) -> str:
    """Return the canonical JID for phone digits, ``+digits`` or any address form.

    Raises ``InvalidJid``. A LID stays a LID here: who knows its number maps it.
    """
    user, at, server = text.strip().partition("@")
    if not at:
        return phone_jid(user)
    server = _SERVER_ALIASES.get(server, server)
    user = user.split(":", 1)[0].split(".", 1)[0]  # device and agent: "5511…:12", "5511….0:12"
    pattern = _USER_PART.get(server)
    if pattern is None or not pattern.fullmatch(user):
        raise InvalidJid(
            f"{text[:80]!r} is not a WhatsApp address.",
            user_action="Use a phone number with country code, or an address such as "
            "5511999990000@s.whatsapp.net or 1203630…@g.us.",
        )
    return f"{user}@{server}"


def phone_digits(text: str) -> str:
    """Return the digits of a phone number as people write it; raise ``InvalidJid``."""
    digits = re.sub(r"[\s().-]", "", text.strip()).removeprefix("+")
    if not _PHONE.fullmatch(digits):
        raise InvalidJid(
            f"{text[:80]!r} is not a phone number.",
            user_action="Write the number with its country code, such as +5511999990000.",
        )
    return digits


def phone_jid(text: str) -> str:
    """Return the user JID of a phone number; raise ``InvalidJid``."""
    return f"{phone_digits(text)}@{USER}"


def jid_kind(jid: str) -> str:
    """Return ``user``, ``group``, ``newsletter`` or ``broadcast`` for a canonical JID."""
    return _KINDS.get(jid.rpartition("@")[2], "broadcast")


def jid_user(jid: str) -> str:
    """Return what stands before the ``@``: a phone number, a LID or a group's number."""
    return jid.partition("@")[0]


def chat_id(session: str, jid: str) -> str:
    """Return the chat id that clients use."""
    return f"{session}:{jid}"


def split_chat_id(text: str) -> tuple[str, str]:
    """Return (session, canonical JID) of a chat id; raise ``InvalidId`` or ``InvalidJid``."""
    session, colon, jid = text.partition(":")
    if not colon:
        raise InvalidJid(
            f"{text[:80]!r} is not a chat id.", user_action="A chat id is {session}:{jid}."
        )
    return check_session(session), parse_jid(jid)


def inbound_message_id(session: str, chat_jid: str, sender_jid: str, wa_id: str) -> str:
    """Return our id of a message that WhatsApp gave us: the same for every redelivery.

    WhatsApp's own id is chosen by the sender's device, so a group member may repeat
    somebody else's: all four parts are in it. 20 bytes of BLAKE2b, URL-safe.
    """
    parts = "\n".join((session, chat_jid, sender_jid, wa_id))
    digest = hashlib.blake2b(parts.encode(), digest_size=20).digest()
    return "m" + urlsafe_b64encode(digest).decode().rstrip("=")
