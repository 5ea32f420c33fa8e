"""The console's link and cookie, seen as a browser and as an attacker sees them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.support.daemon import Daemon, User


@pytest_asyncio.fixture
async def browser(daemon: Daemon) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client that keeps cookies, as a browser does."""
    async with httpx.AsyncClient(base_url=daemon.base, follow_redirects=True) as client:
        yield client


async def test_the_link_works_once(daemon: Daemon, browser: httpx.AsyncClient) -> None:
    """It sets an HttpOnly, SameSite=Strict cookie for workspace `default`; then it is used up."""
    first = await browser.get(daemon.link)
    assert first.status_code == 200
    cookie = first.history[0].headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert (await browser.get("/v1/me")).json()["workspace"] == "default"
    async with httpx.AsyncClient() as other:
        assert (await other.get(daemon.link)).status_code == 401


async def test_another_link_can_be_printed(daemon: Daemon, browser: httpx.AsyncClient) -> None:
    """`zapd login-link` works beside the running daemon, and names its real address."""
    link = (await daemon.command("login-link")).split()[-1]
    assert link.startswith(daemon.base)
    await browser.get(link)
    assert (await browser.get("/v1/sessions")).status_code == 200


async def test_without_the_cookie_the_page_says_how_to_sign_in(daemon: Daemon) -> None:
    """`/` answers 200 and shows nothing of a workspace."""
    async with User(daemon.base, "") as nobody:
        page = await nobody.http.get("/")
    assert page.status_code == 200
    assert "login-link" in page.text


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "http://127.0.0.1:1"])
async def test_a_cookie_changes_nothing_for_another_page(
    daemon: Daemon, browser: httpx.AsyncClient, origin: str | None
) -> None:
    """An unsafe request with the cookie needs our own Origin."""
    await browser.get(daemon.link)
    headers = {"Origin": origin} if origin else {}
    refused = await browser.post("/v1/sessions", json={"id": "evil"}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "wrong_origin")
    allowed = await browser.post(
        "/v1/sessions", json={"id": "own"}, headers={"Origin": daemon.base}
    )
    assert allowed.status_code == 201


async def test_no_log_line_holds_a_secret(daemon: Daemon, user: User) -> None:
    """Keys, tickets, links and texts stay out of the log, also when they are wrong."""
    ticket = (await user.post("/v1/tickets", {"use": "stream"}))["ticket"]
    await user.paired()
    await user.receive("main", "a very private text")
    async with User(daemon.base, "") as nobody:
        await nobody.http.get("/v1/chats", params={"ticket": ticket})
        await nobody.http.get(f"/login/{ticket}")
        await nobody.http.get("/v1/chats", headers={"X-Api-Key": user.key + "x"})
    await daemon.end()
    log = "\n".join(daemon.log)
    assert log
    for secret in (user.key, ticket, daemon.link, "very private"):
        assert secret not in log
