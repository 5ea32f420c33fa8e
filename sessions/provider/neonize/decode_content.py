"""What a message says: ``waE2E.Message`` to our kinds, one reader a kind.

A message is one field of many that is set, often wrapped several times (ephemeral, view
once, with caption …). What no reader knows is ``unsupported`` with the field's name; what
is machinery between devices (key distribution, app state) is no message at all.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from google.protobuf.unknown_fields import UnknownFieldSet
from msgspec.structs import replace

from sessions.models import (
    CalendarEvent,
    ContactCard,
    ContactCards,
    Content,
    Location,
    Media,
    MessageType,
    Poll,
    PollVote,
    SystemNote,
    Unsupported,
    Value,
    iso,
)
from sessions.provider.neonize.times import to_ms

MediaKind = Literal["image", "video", "gif", "audio", "voice", "document", "sticker"]
#: A thumbnail travels in every copy of the message, so a large one is left out.
MAX_THUMBNAIL = 16 * 1024

_ENVELOPE = {
    "senderKeyDistributionMessage",
    "fastRatchetKeySenderKeyDistributionMessage",
    "messageContextInfo",
}
_SILENT = {"stickerSyncRmrMessage", "messageHistoryBundle", "messageHistoryNotice"} | {
    "groupRootKeyShare",
    "rootSecretDistributeMessage",
    "botPlatformRegistrationSuccessMessage",
}
_VIEW_ONCE = {"viewOnceMessage", "viewOnceMessageV2", "viewOnceMessageV2Extension"}


class Body(NamedTuple):
    """What a message says; ``media`` has an empty id, since the message's is not known here."""

    type: MessageType
    text: str | None = None
    media: Media | None = None
    content: Content | None = None
    context: Any = None


class Found(NamedTuple):
    """The field that is set, without its wrappers: its name and its value."""

    name: str
    value: Any
    view_once: bool


def find(message: Any) -> Found | None:
    """Return the field that speaks; None for a message of machinery alone.

    Raises ``LookupError`` for a message with nothing in it that this library knows.
    """
    fields = [(d, v) for d, v in message.ListFields() if d.name not in _ENVELOPE]
    if not fields:
        return _find_unknown(message)
    descriptor, value = fields[0]
    inner = descriptor.message_type and descriptor.message_type.fields_by_name.get("message")
    is_wrapper = inner is not None and inner.message_type is message.DESCRIPTOR
    if is_wrapper and value.HasField("message"):
        below = find(value.message)
        if below is None:
            return None
        return below._replace(view_once=below.view_once or descriptor.name in _VIEW_ONCE)
    return None if descriptor.name in _SILENT else Found(descriptor.name, value, False)


def _find_unknown(message: Any) -> Found | None:
    unknown = UnknownFieldSet(message)
    if len(unknown):
        return Found(f"field_{unknown[0].field_number}", None, False)
    if message.ListFields():
        return None
    raise LookupError("empty message")


def read(found: Found) -> Body:
    """Return what the field says; never nothing."""
    reader = _READERS.get(found.name)
    body = reader(found.value) if reader else _unsupported(found.name, found.value)
    body = body._replace(
        text=clean(body.text), media=clean(body.media), content=clean(body.content)
    )
    value_says = getattr(found.value, "viewOnce", False)
    if body.media is not None and (found.view_once or value_says):
        return body._replace(type="view_once")
    return body


def clean(value: Any) -> Any:
    """Return what somebody else wrote as text, however deep in a value of ours.

    Go lets pass what is no UTF-8, and Python's protobuf then hands out bytes for a string;
    encoded as they are, they would be read as base64.
    """
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, tuple):
        return tuple(clean(item) for item in value)
    if isinstance(value, Value):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        return replace(value, **{name: clean(item) for name, item in fields.items()})
    return value


def _unsupported(name: str, value: Any, text: str | None = None) -> Body:
    return Body("unsupported", text, content=Unsupported(name=name), context=_context(value))


def _context(value: Any) -> Any:
    fields = getattr(getattr(value, "DESCRIPTOR", None), "fields_by_name", {})
    return value.contextInfo if "contextInfo" in fields and value.HasField("contextInfo") else None


def _thumbnail(data: bytes, mime: str) -> str | None:
    uri = f"data:{mime};base64,{b64encode(data).decode()}" if data else ""
    return uri if 0 < len(uri) <= MAX_THUMBNAIL else None


def _media(kind: MediaKind, value: Any) -> Media:
    """Read whatever of the common fields this kind of file has."""

    def number(name: str) -> int | None:
        return int(getattr(value, name, 0)) or None

    if kind == "sticker":
        thumbnail = _thumbnail(value.pngThumbnail, "image/png")
    else:
        thumbnail = _thumbnail(getattr(value, "JPEGThumbnail", b""), "image/jpeg")
    return Media(
        id="",
        kind=kind,
        mime=value.mimetype or None,
        size=number("fileLength"),
        file_name=getattr(value, "fileName", "") or getattr(value, "title", "") or None,
        width=number("width"),
        height=number("height"),
        seconds=number("seconds"),
        thumbnail=thumbnail,
    )


def _file(kind: MediaKind, value: Any) -> Body:
    caption = getattr(value, "caption", "") or None
    return Body(kind, caption, _media(kind, value), context=_context(value))


def _video(value: Any) -> Body:
    return _file("gif" if value.gifPlayback else "video", value)


def _audio(value: Any) -> Body:
    return _file("voice" if value.PTT else "audio", value)


def _text(text: str, value: Any, *others: str) -> Body:
    """Return the first text that is not empty."""
    return Body("text", next(filter(None, (text, *others)), ""), context=_context(value))


def _location(value: Any) -> Body:
    place = Location(
        latitude=value.degreesLatitude,
        longitude=value.degreesLongitude,
        name=value.name or None,
        address=value.address or None,
    )
    kind: MessageType = "live_location" if value.isLive else "location"
    return Body(kind, value.comment or None, content=place, context=_context(value))


def _live_location(value: Any) -> Body:
    place = Location(latitude=value.degreesLatitude, longitude=value.degreesLongitude)
    return Body("live_location", value.caption or None, content=place, context=_context(value))


def _cards(value: Any, *cards: Any) -> Body:
    contacts = tuple(ContactCard(name=c.displayName or None, vcard=c.vcard) for c in cards)
    content = ContactCards(contacts=contacts)
    return Body("contact", value.displayName or None, content=content, context=_context(value))


def _poll(value: Any) -> Body:
    poll = Poll(
        question=value.name,
        options=tuple(option.optionName for option in value.options),
        selectable=value.selectableOptionsCount,
    )
    return Body("poll", value.name, content=poll, context=_context(value))


def _vote(value: Any) -> Body:
    """A vote is encrypted: what was voted for is not known here."""
    return Body(
        "poll_vote", content=PollVote(poll_wa_id=value.pollCreationMessageKey.ID, options=None)
    )


def _calendar(value: Any) -> Body:
    event = CalendarEvent(
        name=value.name,
        description=value.description or None,
        start_at=iso(to_ms(value.startTime)) if value.startTime else None,
        cancelled=value.isCanceled,
    )
    return Body("event", value.name, content=event, context=_context(value))


def _template(value: Any) -> Body:
    body = (
        value.hydratedTemplate
        if value.HasField("hydratedTemplate")
        else value.hydratedFourRowTemplate
    )
    interactive = value.interactiveMessageTemplate.body.text
    return _text(body.hydratedContentText, value, body.hydratedTitleText, interactive)


def _structured(value: Any) -> Body:
    return _template(value.hydratedHsm)


def _invite(value: Any) -> Body:
    return _unsupported("groupInviteMessage", value, value.caption or value.groupName or None)


def _order(value: Any) -> Body:
    return _unsupported("orderMessage", value, value.message or value.orderTitle or None)


def _product(value: Any) -> Body:
    return _unsupported("productMessage", value, value.body or value.product.title or None)


def note(name: str) -> Body:
    """Return what WhatsApp itself says in a chat."""
    return Body("system", content=SystemNote(name=name))


def _note(name: str) -> Callable[[Any], Body]:
    return lambda _: note(name)


_READERS: dict[str, Callable[[Any], Body]] = {
    "conversation": lambda v: Body("text", v),
    "extendedTextMessage": lambda v: _text(v.text, v),
    "imageMessage": lambda v: _file("image", v),
    "videoMessage": _video,
    "ptvMessage": _video,
    "audioMessage": _audio,
    "documentMessage": lambda v: _file("document", v),
    "stickerMessage": lambda v: _file("sticker", v),
    "locationMessage": _location,
    "liveLocationMessage": _live_location,
    "contactMessage": lambda v: _cards(v, v),
    "contactsArrayMessage": lambda v: _cards(v, *v.contacts),
    "pollCreationMessage": _poll,
    "pollCreationMessageV2": _poll,
    "pollCreationMessageV3": _poll,
    "pollCreationMessageV5": _poll,
    "pollCreationMessageV6": _poll,
    "pollUpdateMessage": _vote,
    "eventMessage": _calendar,
    "buttonsMessage": lambda v: _text(v.contentText, v, v.text),
    "buttonsResponseMessage": lambda v: _text(v.selectedDisplayText, v, v.selectedButtonID),
    "listMessage": lambda v: _text(v.description, v, v.title),
    "listResponseMessage": lambda v: _text(v.title, v, v.description),
    "templateMessage": _template,
    "templateButtonReplyMessage": lambda v: _text(v.selectedDisplayText, v, v.selectedID),
    "interactiveMessage": lambda v: _text(v.body.text, v, v.header.title),
    "interactiveResponseMessage": lambda v: _text(v.body.text, v),
    "highlyStructuredMessage": _structured,
    "groupInviteMessage": _invite,
    "orderMessage": _order,
    "productMessage": _product,
    "albumMessage": _note("album"),
    "callLogMesssage": _note("call_log"),  # the library's spelling
    "pinInChatMessage": _note("pin_in_chat"),
    "keepInChatMessage": _note("keep_in_chat"),
    "requestPhoneNumberMessage": _note("request_phone_number"),
}
