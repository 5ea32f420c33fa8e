"""Coming in: without a cookie, by a link, and out again."""

from __future__ import annotations

import re

import httpx
from playwright.sync_api import expect

from tests.browser.conftest import Daemon, Visitor


def test_without_a_cookie_the_page_says_how_to_sign_in(daemon: Daemon, visitor: Visitor) -> None:
    """`/` answers 200, names the command, and asks the API for nothing."""
    page = visitor.page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    answer = page.goto(daemon.base)
    assert answer is not None
    assert answer.status == 200
    expect(page.get_by_role("heading", name="Sign in to zapd")).to_be_visible()
    expect(page.get_by_text("zapd login-link")).to_be_visible()
    assert [url for url in asked if "/v1/" in url] == []


def test_the_printed_link_signs_in_once(daemon: Daemon, visitor: Visitor) -> None:
    """The first browser is in; the second is told that the link was used, with a 401."""
    visitor.expect_refusals("401")
    first, second = visitor.page(), visitor.page()
    first.goto(daemon.first_link)
    expect(first.get_by_text("Live", exact=True)).to_be_visible()
    assert first.url == f"{daemon.base}/"
    answer = second.goto(daemon.first_link)
    assert answer is not None
    assert answer.status == 401
    expect(second.get_by_role("alert")).to_contain_text("was used before")
    first.goto(daemon.first_link)  # who is in stays in
    expect(first.get_by_text("Live", exact=True)).to_be_visible()


def test_a_preview_of_the_link_does_not_use_it_up(daemon: Daemon, visitor: Visitor) -> None:
    """HEAD, as scanners and previews send it, leaves the link good."""
    assert httpx.head(daemon.first_link).status_code == 200
    page = visitor.page()
    page.goto(daemon.first_link)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()


def test_a_link_on_another_site_finds_the_browser_signed_in(
    daemon: Daemon, visitor: Visitor
) -> None:
    """A SameSite=Strict cookie stays at home then; the page fetches it by coming again."""
    page = visitor.console()
    elsewhere = daemon.base.replace("127.0.0.1", "localhost")
    page.goto(elsewhere)
    page.evaluate("href => { location.href = href }", daemon.base)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()


def test_the_cookie_is_out_of_reach_of_scripts(visitor: Visitor) -> None:
    """HttpOnly, and sent to this site's own pages only."""
    page = visitor.console()
    assert page.evaluate("document.cookie") == ""
    (cookie,) = page.context.cookies()
    assert cookie.get("httpOnly") is True
    assert cookie.get("sameSite") == "Strict"


def test_signing_out_ends_the_session_here_and_in_other_tabs(visitor: Visitor) -> None:
    """The tab that stays open says that it is signed out, and how to come back."""
    visitor.expect_refusals("401")
    page = visitor.console()
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.get_by_text("Live", exact=True)).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in to zapd")).to_be_visible()
    assert page.context.cookies() == []
    expect(other.get_by_role("alert").first).to_contain_text("zapd login-link", timeout=20_000)


def test_only_our_own_page_can_sign_out(daemon: Daemon) -> None:
    """A form on another site cannot end the browser's session."""
    answer = httpx.post(f"{daemon.base}/logout", headers={"Origin": "https://evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_origin")


def test_pages_carry_their_protection(daemon: Daemon) -> None:
    """The policy lets in no script, style or frame from elsewhere, and none inline."""
    for path in ("/", "/login/nothing"):
        headers = httpx.get(daemon.base + path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "unsafe-inline" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"


def test_files_are_kept_for_ever_under_a_name_that_changes_with_them(daemon: Daemon) -> None:
    """A browser never asks again for what it has, and never shows an old file."""
    page = httpx.get(daemon.base).text
    paths = re.findall(r'"(/static/[0-9a-f]{12}/[a-z.]+)"', page)
    assert len(paths) >= 2
    for path in paths:
        answer = httpx.get(daemon.base + path)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert httpx.get(f"{daemon.base}/favicon.ico").headers["content-type"] == "image/svg+xml"
