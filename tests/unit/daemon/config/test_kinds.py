from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from daemon.config.kinds import (
    Choice,
    Duration,
    Folder,
    Integer,
    Kind,
    Origins,
    Secret,
    SecretText,
    Size,
    Text,
    Url,
    Words,
    parse_duration,
    parse_origin,
    parse_size,
    show_duration,
    show_size,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("6GiB", 6 << 30),
        ("512MiB", 512 << 20),
        ("64kib", 65536),
        ("1.5 MiB", 3 << 19),
        ("10MB", 10_000_000),
        ("123", 123),
        ("7B", 7),
    ],
)
def test_a_size_is_read_as_people_write_it(text: str, expected: int) -> None:
    """Binary and decimal units, fractions and plain numbers are sizes."""
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "GiB", "-1", "1 PiB", "1e9", "٣", "1GiB2"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """Anything else is told to be no size."""
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)


@given(st.integers(0, 1 << 50))
def test_a_size_survives_being_shown(number: int) -> None:
    """What is shown is what is read again, to the byte."""
    assert parse_size(show_size(number)) == number


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("10m", 600), ("24h", 86400), ("500ms", 0.5), ("1.5", 1.5), ("2d", 172800)],
)
def test_a_time_span_is_read_as_people_write_it(text: str, expected: float) -> None:
    """Units from milliseconds to days, and plain seconds, are time spans."""
    assert parse_duration(text) == expected


@given(st.integers(0, 10**9).map(lambda ms: ms / 1000))
def test_a_time_span_survives_being_shown(seconds: float) -> None:
    """What is shown is what is read again."""
    assert parse_duration(show_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://CRM.example.org", "https://crm.example.org"),
        ("https://a.example:443", "https://a.example"),
        ("http://a.example:8080", "http://a.example:8080"),
        ("http://[::1]:3000", "http://[::1]:3000"),
    ],
)
def test_an_origin_has_one_form(text: str, expected: str) -> None:
    """Case and a scheme's own port make no difference."""
    assert parse_origin(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "https://*.a.example",
        "a.example",
        "ftp://a",
        "https://a/b",
        "https://u@a",
        "http://a:x",
    ],
)
def test_what_is_no_exact_origin_is_refused(text: str) -> None:
    """Wildcards, paths, users and other schemes are no origins."""
    with pytest.raises(ValueError, match="not an origin"):
        parse_origin(text)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Text(), ""),
        (Text(), "a b"),
        (Choice(("a", "b")), "c"),
        (Words(("a", "b")), "a c"),
        (Words(("a", "b")), ""),
        (Integer(1, 5), "6"),
        (Integer(1, 5), "x"),
        (Integer(1, 5), "9" * 400),
        (Size("1KiB", "1MiB"), "2MiB"),
        (Size("1KiB", "1MiB"), "0"),
        (Duration(1, 60), "2m"),
        (Duration(1, 60), "soon"),
        (Folder(), ""),
        (Folder(), "a\0b"),
        (Folder(), "~no-such-user-here/x"),
        (SecretText(32), "x" * 31),
    ],
)
def test_a_wrong_value_is_refused(kind: Kind, text: str) -> None:
    """Each kind refuses what it cannot be, and has a hint of what to write."""
    with pytest.raises(ValueError, match=r"is|has"):
        kind.parse(text)
    assert kind.hint


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Choice(("a", "b")), "B", "b"),
        (Words(("a", "b")), "b, a b", ("b", "a")),
        (Size("1KiB", "1MiB", zero="none"), "0", 0),
        (Duration(1, 60, zero="never"), "0", 0),
        (Url(), "", None),
        (Url(), "https://A.example/", "https://a.example"),
        (Origins(), "", ()),
        (Origins(), "http://a/, http://b http://a", ("http://a", "http://b")),
        (SecretText(32), "", None),
        (Folder(), "/srv/zapd", Path("/srv/zapd")),
    ],
)
def test_a_right_value_is_read(kind: Kind, text: str, value: object) -> None:
    """Each kind reads its own values, and shows them so that they can be read again."""
    assert kind.parse(text) == value
    assert kind.parse(kind.show(value)) == value


def test_a_home_is_filled_in() -> None:
    """`~` becomes the user's home, and the path is absolute."""
    assert Folder().parse("~/x") == Path.home() / "x"


def test_a_secret_is_shown_nowhere() -> None:
    """Neither repr, str nor format tell it; only who asks for it by name gets it."""
    secret = Secret("s3cr3t" * 8)
    assert "s3cr3t" not in f"{secret} {secret!r} {[secret]}"
    assert SecretText(32).show(secret) == "(set)"
    assert secret.reveal() == "s3cr3t" * 8
    assert secret == Secret("s3cr3t" * 8)
    assert len({secret, Secret("s3cr3t" * 8), Secret("other")}) == 2


def test_a_refused_secret_is_not_repeated() -> None:
    """The error of a short secret tells its length only."""
    with pytest.raises(ValueError, match="is 6 characters long") as caught:
        SecretText(32).parse("hunter")
    assert "hunter" not in str(caught.value)
