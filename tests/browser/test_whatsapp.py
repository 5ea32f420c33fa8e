"""The whole way of a real session on the page: the real core against the loopback WhatsApp."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Daemon, Visitor
from tests.browser.scenes import add_session, answer, message, open_chat, picture, state

ROOT = Path(__file__).parents[2]


class Loopback:
    """WhatsApp in a process of its own, told what to do line by line."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.loopback"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.worker_command: list[str] = self._answer()["worker"]

    def do(self, what: str, **order: str) -> dict[str, Any]:
        """Have something done on the other side; return what is told of it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **order}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found

    def stop(self) -> None:
        """End it."""
        self._process.communicate(timeout=20)


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    """Start WhatsApp."""
    running = Loopback()
    yield running
    running.stop()


@pytest.fixture
def daemon(tmp_path: Path, loopback: Loopback) -> Iterator[Daemon]:
    """Start a daemon whose workers speak to the loopback."""
    running = Daemon(tmp_path / "data", worker_command=loopback.worker_command)
    yield running
    running.stop()


def test_a_number_is_paired_written_to_and_answered(visitor: Visitor, loopback: Loopback) -> None:
    """Scan what the page shows, see the message come, answer, see the ticks."""
    page = visitor.console()
    it = add_session(page, "Clinic", provider="WhatsApp")
    expect(picture(it)).to_be_visible()
    code = page.request.get(page.url + "v1/sessions/clinic/qr").json()
    loopback.do("scan", qr=code["qr"])
    expect(state(page, "Clinic")).to_have_text("Connected")
    expect(it.get_by_text("+5511900000001")).to_be_visible()
    expect(it.get_by_text("Sandbox", exact=True)).to_be_hidden()

    loopback.do("write", text="Is there an appointment tomorrow?")
    open_chat(page, "Alice")
    expect(message(page, "Is there an appointment tomorrow?")).to_be_visible()

    sent = answer(page, "Yes, at nine.")
    got = loopback.do("next")
    assert got["text"] == "Yes, at nine."
    expect(sent.get_by_text("Sent", exact=True)).to_be_attached()
    for kind, shown in (("delivered", "Delivered"), ("read", "Read")):
        loopback.do("receipt", id=got["id"], kind=kind)
        expect(sent.get_by_text(shown, exact=True)).to_be_attached()
