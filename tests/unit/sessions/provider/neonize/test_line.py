"""What a line's signals mean."""

from __future__ import annotations

import pytest

from sessions.events import (
    AnyEvent,
    Connected,
    Connecting,
    Paired,
    PairingStarted,
    QrShown,
    Troubled,
)
from sessions.provider.neonize import failures
from sessions.provider.neonize.failures import Failure
from sessions.provider.neonize.line import Device, Line, Next, retry_delay

DEVICE = Device("5511900000001@s.whatsapp.net", "100000000000001@lid", "Zap")
STUMBLE = "proto: required field neonize.Receipt.Type not set"


@pytest.fixture
def line() -> Line:
    """A line whose client was started."""
    fresh = Line()
    fresh.begin()
    return fresh


@pytest.fixture
def connected(line: Line) -> Line:
    """A line that stands."""
    line.identified(DEVICE)
    line.connected()
    return line


def codes(events: list[AnyEvent]) -> list[str]:
    """Return the codes of troubles."""
    return [event.code for event in events if isinstance(event, Troubled)]


def test_pairing(line: Line) -> None:
    """The first code begins the pairing and lasts longer; the addresses end it."""
    assert [PairingStarted(), QrShown(qr="a", expires_at=60_000)] == line.qr("a", 0)
    assert [QrShown(qr="b", expires_at=80_000)] == line.qr("b", 60_000)
    assert line.pairing_ends == 160_000
    assert [Paired(jid=DEVICE.jid, lid=DEVICE.lid), Connecting()] == line.identified(DEVICE)
    assert line.pairing_ends is None
    assert [Connected(jid=DEVICE.jid, lid=DEVICE.lid, name="Zap")] == line.connected()


def test_login(line: Line) -> None:
    """With keys there is no pairing; connected is told once."""
    assert [Connecting()] == line.identified(DEVICE)
    assert len(line.connected()) == 1
    assert line.connected() == []


def test_pairing_ends_without_success(line: Line) -> None:
    """Nothing is tried again by itself: nobody stands before the code."""
    line.qr("a", 0)
    assert line.pairing_status("passkey-request") == []
    assert codes(line.pairing_status("timeout")) == ["pairing_expired"]
    assert Next.END is line.verdict


def test_the_cores_own_reconnects_are_one_trouble(connected: Line) -> None:
    """However often it fails, until it succeeds."""
    told = [codes(connected.failed(failures.LINE_LOST)) for _ in range(3)]
    assert told == [["line_lost"], [], []]
    assert connected.verdict is None
    assert len(connected.connected()) == 1
    assert codes(connected.failed(failures.LINE_LOST)) == ["line_lost"]


@pytest.mark.parametrize(
    ("failure", "verdict"),
    [
        (failures.CONNECT_TIMEOUT, Next.RETRY),
        (failures.STREAM_REPLACED, Next.END),
        (Failure("unlinked_by_phone", forgets=True), Next.FORGET),
        (failures.OUTDATED, Next.END),
    ],
)
def test_verdicts(connected: Line, failure: Failure, verdict: Next) -> None:
    """The table of troubles says what follows."""
    connected.failed(failure)
    assert verdict is connected.verdict


def test_a_stumble_is_reconnected_at_once_but_only_once(connected: Line) -> None:
    """What stumbles again waits like any failure, until the line has stood for long."""
    verdicts = []
    for _ in range(2):
        assert codes(connected.ended(STUMBLE)) == ["engine_stumbled"]
        verdicts.append(connected.verdict)
        connected.begin()
    connected.forgive()
    connected.ended(STUMBLE)
    assert [*verdicts, connected.verdict] == [Next.AT_ONCE, Next.RETRY, Next.AT_ONCE]


def test_a_first_connect_that_fails_is_ours_to_retry(line: Line) -> None:
    """The library gives it one try."""
    assert codes(line.ended("failed to dial: no such host")) == ["connect_failed"]
    assert Next.RETRY is line.verdict


def test_a_wanted_end_is_no_trouble(connected: Line) -> None:
    """What comes back after our own stop is not told."""
    connected.verdict = Next.END
    assert connected.ended("") == []


@pytest.mark.parametrize(
    ("in_a_row", "chance", "seconds"),
    [(1, 0.0, 0.5), (1, 1.0, 1.0), (3, 1.0, 4.0), (50, 0.0, 30.0), (50, 1.0, 60.0)],
)
def test_retry_delays(in_a_row: int, chance: float, seconds: float) -> None:
    """Doubling to a minute, half of it by chance."""
    assert seconds == retry_delay(in_a_row, chance)
