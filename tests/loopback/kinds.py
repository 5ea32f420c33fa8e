"""What people send besides plain text: `waE2E.Message` of each kind, encoded.

Field numbers are from `WAWebProtobufsE2E.proto` and `WACommon.proto`.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from . import payloads
from .media_host import Upload
from .protobuf import Field, encode

# Message
_IMAGE, _CONTACT, _LOCATION, _EXTENDED_TEXT, _DOCUMENT, _AUDIO, _VIDEO = 3, 4, 5, 6, 7, 8, 9
_PROTOCOL, _CONTACTS, _LIVE_LOCATION, _STICKER, _EPHEMERAL = 12, 13, 18, 26, 40
_REACTION, _POLL, _POLL_UPDATE, _WITH_CAPTION, _VIEW_ONCE, _POLL_V3 = 46, 49, 50, 53, 55, 64
_CONTEXT = 17  # of every kind that can answer or be forwarded
# ContextInfo
_STANZA, _PARTICIPANT, _QUOTED, _SCORE, _FORWARDED = 1, 2, 3, 21, 22
# ProtocolMessage.Type
_REVOKE, _EDIT = 0, 14


class Key(NamedTuple):
    """Names a message as its writer sees it (`MessageKey`): `from_me` is the writer's own."""

    chat: str
    wa_id: str
    from_me: bool = False
    participant: str | None = None

    def encoded(self) -> bytes:
        """The `MessageKey`."""
        whose = (2, int(self.from_me))
        return encode((1, self.chat), whose, (3, self.wa_id), (4, self.participant))


class File(NamedTuple):
    """A file as a message tells it: what it is, and where it is kept.

    Without an `upload` it is nowhere: nobody can fetch it, and its size is made up.
    """

    mime: str
    upload: Upload | None = None

    def fields(
        self, *, url: int, path: int, sha: int, length: int, key: int, enc_sha: int
    ) -> list[Field]:
        """The fields that all files have, at the numbers that this kind has for them."""
        kept = self.upload or _nowhere(self.mime)
        hashed = [(sha, kept.sha256), (enc_sha, kept.enc_sha256)]
        where = [(url, f"https://mmg.whatsapp.net{kept.path}"), (path, kept.path)]
        return [*where, *hashed, (length, kept.size), (key, kept.key)]


def _nowhere(mime: str) -> Upload:
    digest = hashlib.sha256(mime.encode()).digest()
    return Upload("/v/nowhere.enc?oh=loopback", digest, 4321, digest, digest)


def extended_text(body: str) -> bytes:
    """A text in its long form, as phones send it when it has a preview or a style."""
    return encode((_EXTENDED_TEXT, encode((1, body))))


def reply(body: str, wa_id: str, sender: str, quoted: str) -> bytes:
    """A text that answers the message `wa_id` of `sender`, who said `quoted`."""
    context = encode((_STANZA, wa_id), (_PARTICIPANT, sender), (_QUOTED, payloads.text(quoted)))
    return encode((_EXTENDED_TEXT, encode((1, body), (_CONTEXT, context))))


def forwarded(body: str) -> bytes:
    """A text that was forwarded once."""
    context = encode((_SCORE, 1), (_FORWARDED, 1))
    return encode((_EXTENDED_TEXT, encode((1, body), (_CONTEXT, context))))


def reaction(key: Key, emoji: str, ms: int) -> bytes:
    """An emoji on a message; an empty one takes it back. `ms` is when."""
    return encode((_REACTION, encode((1, key.encoded()), (2, emoji), (4, ms))))


def edit(key: Key, body: str, ms: int) -> bytes:
    """The message says `body` from now on."""
    fields = encode((1, key.encoded()), (2, _EDIT), (14, payloads.text(body)), (15, ms))
    return encode((_PROTOCOL, fields))


def revoke(key: Key) -> bytes:
    """The message is deleted for everyone."""
    return encode((_PROTOCOL, encode((1, key.encoded()), (2, _REVOKE))))


def protocol(kind: int) -> bytes:
    """A protocol message of any type, known or not."""
    return encode((_PROTOCOL, encode((2, kind))))


def image(file: File, caption: str | None = None, *, view_once: bool = False) -> bytes:
    """A picture of 640 by 480."""
    about = file.fields(url=1, path=11, sha=4, length=5, key=8, enc_sha=9)
    once = (25, 1 if view_once else None)
    body = encode(*about, (2, file.mime), (3, caption), (6, 480), (7, 640), once)
    return encode((_IMAGE, body))


def video(file: File, caption: str | None = None, *, gif: bool = False) -> bytes:
    """A film of 320 by 240 and 7 s; `gif` plays silently and again and again."""
    about = file.fields(url=1, path=13, sha=3, length=4, key=6, enc_sha=11)
    size = [(9, 240), (10, 320)]
    body = encode(*about, *size, (2, file.mime), (5, 7), (7, caption), (8, 1 if gif else None))
    return encode((_VIDEO, body))


def audio(file: File, *, voice: bool = False) -> bytes:
    """A sound of 5 s; `voice` was recorded into the chat."""
    about = file.fields(url=1, path=9, sha=3, length=4, key=7, enc_sha=8)
    return encode((_AUDIO, encode(*about, (2, file.mime), (5, 5), (6, 1 if voice else None))))


def document(file: File, name: str, caption: str | None = None) -> bytes:
    """A file with its name; with a caption, phones put it into a wrapper."""
    about = file.fields(url=1, path=10, sha=4, length=5, key=7, enc_sha=9)
    plain = encode((_DOCUMENT, encode(*about, (2, file.mime), (8, name), (20, caption))))
    return encode((_WITH_CAPTION, encode((1, plain)))) if caption else plain


def sticker(file: File) -> bytes:
    """A sticker of 512 by 512."""
    about = file.fields(url=1, path=8, sha=2, length=9, key=4, enc_sha=3)
    return encode((_STICKER, encode(*about, (5, file.mime), (6, 512), (7, 512))))


def view_once(payload: bytes) -> bytes:
    """The wrapper of what may be seen once (version 2)."""
    return encode((_VIEW_ONCE, encode((1, payload))))


def ephemeral(payload: bytes) -> bytes:
    """The wrapper of what disappears after a while."""
    return encode((_EPHEMERAL, encode((1, payload))))


def location(latitude: float, longitude: float, name: str, address: str) -> bytes:
    """A place."""
    return encode((_LOCATION, encode((1, latitude), (2, longitude), (3, name), (4, address))))


def live_location(latitude: float, longitude: float, caption: str) -> bytes:
    """A place that moves with somebody."""
    return encode((_LIVE_LOCATION, encode((1, latitude), (2, longitude), (6, caption))))


def contact(name: str, vcard: str) -> bytes:
    """Somebody's card."""
    return encode((_CONTACT, _card(name, vcard)))


def contacts(title: str, *cards: tuple[str, str]) -> bytes:
    """Several cards."""
    listed = [(2, _card(*card)) for card in cards]
    return encode((_CONTACTS, encode((1, title), *listed)))


def poll(question: str, *options: str, selectable: int = 1) -> bytes:
    """A question; `selectable` 0 lets people choose any number of options."""
    secret = hashlib.sha256(question.encode()).digest()
    listed = [(3, encode((1, option))) for option in options]
    field = _POLL_V3 if selectable == 1 else _POLL
    body = encode((2, question), *listed, (4, selectable))
    return encode((field, body), (35, encode((3, secret))))  # messageContextInfo.messageSecret


def vote(key: Key, ms: int) -> bytes:
    """A vote: what it says is encrypted once more, for those who have the poll's secret."""
    sealed = encode((1, b"s" * 48), (2, b"i" * 12))
    return encode((_POLL_UPDATE, encode((1, key.encoded()), (2, sealed), (4, ms))))


def _card(name: str, vcard: str) -> bytes:
    return encode((1, name), (16, vcard))
