"""A real daemon, a real Chromium, and pages that are signed in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.browser.team import Office

_ZAPD = str(Path(sys.executable).with_name("zapd"))
_ROOT = Path(__file__).parents[2]
_REFUSED = "Failed to load resource"
STOP_SECONDS = 20


class Daemon:
    """``zapd serve``, for pages that are driven without an event loop.

    ``tests.support.daemon`` has its like for everything that awaits.
    """

    def __init__(self, data_dir: Path, worker_command: Sequence[str] = ()) -> None:
        self._data_dir = data_dir
        self._worker_command = worker_command
        self._port = "0"
        self._settings: dict[str, str] = {}
        self._start()

    def _start(self) -> None:
        command = [_ZAPD, "serve"]
        if self._worker_command:  # the way that only tests have: see tests/support
            command = [sys.executable, "-m", "tests.support.serve_loopback"]
        command += ["--port", self._port, "--data-dir", str(self._data_dir)]
        if self._worker_command:
            command += ["--", *self._worker_command]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ZAPD_")}
        environment |= self._settings
        self._log = (self._data_dir.parent / "zapd.log").open("ab")
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self._log, env=environment, text=True, cwd=_ROOT
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()  # the port is open by then
        assert "/login/" in line, Path(self._log.name).read_text()
        self.first_link = line.split()[-1]
        self.base = self.first_link.partition("/login/")[0]
        self._port = self.base.rpartition(":")[2]

    def link(self, user: str | None = None) -> str:
        """Return a new sign-in link: of a member, or of the console."""
        command = [_ZAPD, "login-link", "--data-dir", str(self._data_dir)]
        command += ["--user", user] if user else []
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout.strip()

    def token(self, user: str, scopes: str = "read,send,metadata") -> str:
        """Return a token of a person."""
        command = [_ZAPD, "token", "--data-dir", str(self._data_dir)]
        command += ["--sub", user, "--scope", scopes]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def restart(self, settings: Mapping[str, str] | None = None) -> None:
        """End this life and begin another on the same port, with other settings."""
        self.stop()
        self._settings = dict(settings or {})
        self._start()

    def stop(self) -> None:
        """End it as systemd would."""
        self.process.terminate()
        self.process.wait(STOP_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._log.close()


class Visitor:
    """Opens pages, and hears what they complain of; a test that ends with complaints fails."""

    def __init__(self, browser: Browser, daemon: Daemon) -> None:
        self._browser = browser
        self._daemon = daemon
        self.complaints: list[str] = []
        self._expected: tuple[str, ...] = ()

    def page(self, **options: Any) -> Page:  # noqa: ANN401 - Playwright's
        """Return an empty page of a browser of its own."""
        context = self._browser.new_context(**options)
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def console(self, user: str | None = None, **options: Any) -> Page:  # noqa: ANN401 - Playwright's
        """Return a page that is signed in, as a member if one is named, and has its stream."""
        page = self.page(**options)
        page.goto(self._daemon.link(user))
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        return page

    def agent(self, user: str, scopes: str = "read,send,metadata", **options: Any) -> Page:  # noqa: ANN401 - Playwright's
        """Return a page that acts as a person: a proxy in front adds their token to requests."""
        token = self._daemon.token(user, scopes)
        return self.console(extra_http_headers={"Authorization": f"Bearer {token}"}, **options)

    def expect_refusals(self, *reasons: str) -> None:
        """Let requests be refused that the test wants refused: by a status or a network error."""
        self._expected += reasons

    def _heard(self, message: ConsoleMessage) -> None:
        refused = message.text.startswith(_REFUSED)
        if refused and any(reason in message.text for reason in self._expected):
            return
        # The phone was quicker than the page, which asked for the picture of a code that is used.
        if refused and "409" in message.text and message.location["url"].endswith("/qr"):
            return
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Debian's Chromium, once a file.

    As long as it is there Playwright keeps an event loop running in this thread, in which no
    asynchronous test could run: it must be gone before the next file.
    """
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=arguments
        )
        yield chromium
        chromium.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Start a daemon with an empty data directory."""
    running = Daemon(tmp_path / "data")
    yield running
    running.stop()


@pytest.fixture
def visitor(browser: Browser, daemon: Daemon) -> Iterator[Visitor]:
    """Open pages, and check in the end that none complained."""
    guest = Visitor(browser, daemon)
    yield guest
    for context in browser.contexts:
        context.close()
    assert guest.complaints == []


@pytest.fixture
def office(daemon: Daemon, visitor: Visitor) -> Iterator[Office]:
    """Open a chat in a workspace of three."""
    made = Office(daemon, visitor)
    yield made
    made.close()
