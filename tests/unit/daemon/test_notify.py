from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.notify import Notifier


class Manager:
    """The service manager's end: a real datagram socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.settimeout(5)
        self.sock.bind("\0" + address[1:] if address.startswith("@") else address)

    def heard(self) -> str:
        """Return the next datagram."""
        return self.sock.recv(4096).decode()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """Listen where a service manager would: at a path, and at an abstract name."""
    by_path = request.param == "path"
    end = Manager(str(tmp_path / "notify") if by_path else f"@zapd-test-{uuid.uuid4()}")
    with end.sock:
        yield end


def test_ready_is_told(manager: Manager) -> None:
    """READY=1 ends the start of a Type=notify service."""
    assert Notifier(manager.address).ready()
    assert manager.heard() == "READY=1"


def test_stopping_is_told(manager: Manager) -> None:
    """STOPPING=1 says that the drain began."""
    assert Notifier(manager.address).stopping()
    assert manager.heard() == "STOPPING=1"


def test_each_ping_is_a_datagram(manager: Manager) -> None:
    """Pings do not run together."""
    notifier = Notifier(manager.address)
    assert [notifier.watchdog(), notifier.watchdog()] == [True, True]
    assert [manager.heard(), manager.heard()] == ["WATCHDOG=1", "WATCHDOG=1"]


def test_a_status_is_one_line(manager: Manager) -> None:
    """A line break in a sentence cannot smuggle in another field."""
    assert Notifier(manager.address).status("3 sessions,\nREADY=1 é")
    assert manager.heard() == "STATUS=3 sessions, READY=1 é"


@pytest.mark.parametrize("address", [None, ""], ids=["none", "empty"])
def test_without_an_address_nothing_is_sent(address: str | None) -> None:
    """A daemon in a terminal has no service manager, and needs no special case."""
    assert not Notifier(address).ready()


@pytest.mark.parametrize(
    "name", ["nobody", "n" * 200, "nul\0byte"], ids=["absent", "too-long", "nul"]
)
def test_a_bad_address_is_no_error(tmp_path: Path, name: str) -> None:
    """The daemon goes on when nobody can be told."""
    assert not Notifier(str(tmp_path / name)).watchdog()


def test_a_full_queue_never_blocks(manager: Manager) -> None:
    """A service manager that does not read costs the event loop no time: the ping is dropped."""
    notifier = Notifier(manager.address)
    answers = [notifier.watchdog() for _ in range(5000)]
    assert (answers[0], answers[-1]) == (True, False)
