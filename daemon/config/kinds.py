"""Kinds of setting: how a text becomes a value, and a value a text again.

``parse`` raises ``ValueError`` with a phrase that follows the variable's name ("is 12,
…"); ``hint`` is the phrase that says what to write instead. Neither ever carries a secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(B|KiB|MiB|GiB|TiB|KB|MB|GB|TB)?", re.IGNORECASE)
_BYTES = {
    "b": 1,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
    "tib": 1 << 40,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)?", re.IGNORECASE)
_QUOTED = 60
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Secret:
    """A text that no ``repr``, ``str``, log line or error shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Keep the text."""
        self._text = text

    def reveal(self) -> str:
        """Return the text, for whoever signs or compares with it."""
        return self._text

    def __repr__(self) -> str:
        """Hide the text."""
        return "Secret(…)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        """Tell whether both hide the same text."""
        return isinstance(other, Secret) and other.reveal() == self._text

    def __hash__(self) -> int:
        """Hash like the text."""
        return hash((Secret, self._text))


class Kind(Protocol):
    """How one kind of setting is read and shown."""

    @property
    def hint(self) -> str:
        """What to write."""
        ...

    def parse(self, text: str) -> object:
        """Return the value; raise ``ValueError`` with what is wrong."""
        ...

    def show(self, value: object) -> str:
        """Return the text that parses to the value; nothing of a secret."""
        ...


def quoted(text: str) -> str:
    """Return the text as it can stand in a sentence."""
    return repr(text if len(text) <= _QUOTED else text[:_QUOTED] + "…")


def _bounded(number: float, low: float, high: float, text: str) -> None:
    if not low <= number <= high:
        raise ValueError(f"is {quoted(text)}, out of bounds")


@dataclass(frozen=True)
class Text:
    """Any text that is not empty and has no blank in it."""

    hint: str = "a text without blanks"

    def parse(self, text: str) -> str:
        """Return the text."""
        if not text or any(character.isspace() for character in text):
            raise ValueError(f"is {quoted(text)}")
        return text

    def show(self, value: object) -> str:
        """Return the text."""
        return str(value)


@dataclass(frozen=True)
class Choice:
    """One of a few words, in any case."""

    words: tuple[str, ...]

    @property
    def hint(self) -> str:
        """What to write."""
        return "one of " + ", ".join(self.words)

    def parse(self, text: str) -> str:
        """Return the word."""
        if text.lower() not in self.words:
            raise ValueError(f"is {quoted(text)}")
        return text.lower()

    def show(self, value: object) -> str:
        """Return the word."""
        return str(value)


@dataclass(frozen=True)
class Words:
    """Several of a few words, separated by commas or blanks."""

    words: tuple[str, ...]

    @property
    def hint(self) -> str:
        """What to write."""
        return "words of " + ", ".join(self.words) + ", separated by commas or blanks"

    def parse(self, text: str) -> tuple[str, ...]:
        """Return the words in their order, each once."""
        given = tuple(dict.fromkeys(text.replace(",", " ").lower().split()))
        unknown = [word for word in given if word not in self.words]
        if unknown or not given:
            raise ValueError(f"has {quoted(unknown[0])}" if unknown else "is empty")
        return given

    def show(self, value: object) -> str:
        """Return the words with commas."""
        return ",".join(value) if isinstance(value, tuple) else str(value)


@dataclass(frozen=True)
class Integer:
    """A whole number within bounds."""

    low: int
    high: int

    @property
    def hint(self) -> str:
        """What to write."""
        return f"a whole number from {self.low} to {self.high}"

    def parse(self, text: str) -> int:
        """Return the number."""
        if not re.fullmatch(r"[0-9]{1,18}", text):
            raise ValueError(f"is {quoted(text)}, not a whole number")
        _bounded(int(text), self.low, self.high, text)
        return int(text)

    def show(self, value: object) -> str:
        """Return the digits."""
        return str(value)


@dataclass(frozen=True)
class Size:
    """A number of bytes within bounds; ``zero`` tells what 0 means, where it may be given."""

    low: str
    high: str
    zero: str | None = None

    @property
    def hint(self) -> str:
        """What to write."""
        zero = f", or 0 ({self.zero})" if self.zero else ""
        return f"a size such as 512MiB from {self.low} to {self.high}{zero}"

    def parse(self, text: str) -> int:
        """Return the number of bytes."""
        number = parse_size(text)
        if not (self.zero and number == 0):
            _bounded(number, parse_size(self.low), parse_size(self.high), text)
        return number

    def show(self, value: object) -> str:
        """Return the shortest exact text."""
        return show_size(int(str(value)))


@dataclass(frozen=True)
class Duration:
    """A time span within bounds, in seconds; ``zero`` tells what 0 means, where it may be given."""

    low: float
    high: float
    zero: str | None = None

    @property
    def hint(self) -> str:
        """What to write."""
        zero = f", or 0 ({self.zero})" if self.zero else ""
        bounds = f"from {show_duration(self.low)} to {show_duration(self.high)}"
        return f"seconds, or a time such as 10m, 24h, 500ms, {bounds}{zero}"

    def parse(self, text: str) -> float:
        """Return the number of seconds."""
        number = parse_duration(text)
        if not (self.zero and number == 0):
            _bounded(number, self.low, self.high, text)
        return number

    def show(self, value: object) -> str:
        """Return the shortest exact text."""
        return show_duration(float(str(value)))


@dataclass(frozen=True)
class Folder:
    """A directory; ``~`` is the user's home."""

    hint: str = "an absolute path, or one that begins with ~"

    def parse(self, text: str) -> Path:
        """Return the absolute path."""
        if not text or "\0" in text:
            raise ValueError("is empty")
        try:
            return Path(text).expanduser().absolute()
        except RuntimeError as error:  # no home
            raise ValueError(f"is {quoted(text)}, and there is no such home") from error

    def show(self, value: object) -> str:
        """Return the path."""
        return str(value)


@dataclass(frozen=True)
class Url:
    """The address under which people reach the daemon; empty for none."""

    hint: str = "an origin such as https://zap.example.org, without a path"

    def parse(self, text: str) -> str | None:
        """Return the origin in its normal form, or None."""
        return parse_origin(text.rstrip("/")) if text else None

    def show(self, value: object) -> str:
        """Return the origin."""
        return str(value or "")


@dataclass(frozen=True)
class Origins:
    """Exact origins, separated by commas; empty for none."""

    hint: str = "origins such as https://crm.example.org, separated by commas, without paths"

    def parse(self, text: str) -> tuple[str, ...]:
        """Return the origins in their normal form."""
        words = text.replace(",", " ").split()
        return tuple(dict.fromkeys(parse_origin(word.rstrip("/")) for word in words))

    def show(self, value: object) -> str:
        """Return the origins with commas."""
        return ",".join(value) if isinstance(value, tuple) else str(value)


@dataclass(frozen=True)
class SecretText:
    """A secret of a least length; empty for none. ``what`` tells where one that is given is from."""

    low: int
    what: str | None = None

    @property
    def hint(self) -> str:
        """What to write."""
        made = f"at least {self.low} characters, such as `openssl rand -hex 32` prints"
        return self.what or made

    def parse(self, text: str) -> Secret | None:
        """Return the secret, or None."""
        if 0 < len(text) < self.low:
            raise ValueError(f"is {len(text)} characters long")
        return Secret(text) if text else None

    def show(self, value: object) -> str:
        """Tell only whether there is one."""
        return "(set)" if value else ""


def parse_size(text: str) -> int:
    """Return the bytes of ``6GiB``, ``512MiB``, ``64KiB`` or a plain number."""
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise ValueError(f"is {quoted(text)}, not a size")
    digits, unit = match[1], (match[2] or "B").lower()
    return int(digits) * _BYTES[unit] if "." not in digits else round(float(digits) * _BYTES[unit])


def show_size(number: int) -> str:
    """Return the shortest exact text of a number of bytes."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        count, rest = divmod(number, _BYTES[unit.lower()])
        if count and not rest:
            return f"{count}{unit}"
    return str(number)


def parse_duration(text: str) -> float:
    """Return the seconds of ``10m``, ``24h``, ``500ms`` or a plain number."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise ValueError(f"is {quoted(text)}, not a time span")
    return float(match[1]) * _SECONDS[(match[2] or "s").lower()]


def show_duration(seconds: float) -> str:
    """Return the shortest exact text of a number of seconds."""
    for unit in ("h", "m"):
        if seconds >= _SECONDS[unit] and seconds % _SECONDS[unit] == 0:
            return f"{int(seconds // _SECONDS[unit])}{unit}"
    return str(int(seconds)) if seconds == int(seconds) else repr(seconds)


def parse_origin(text: str) -> str:
    """Return ``scheme://host[:port]`` in lower case, without the scheme's own port."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    extra = parts.path or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in {"http", "https"} or not parts.hostname or extra or "*" in text:
        raise ValueError(f"has {quoted(text)}, which is not an origin")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in {None, usual} else "")
