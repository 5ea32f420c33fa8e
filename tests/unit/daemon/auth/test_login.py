from __future__ import annotations

import asyncio
from http.cookies import SimpleCookie
from pathlib import Path

import pytest

from daemon.auth.login import (
    COOKIE,
    LINK_MS,
    SESSION_MS,
    Logins,
    clear_cookie,
    login_url,
    set_cookie,
)
from daemon.auth.scopes import Scope
from daemon.errors import ApiError
from daemon.storage.database import Database
from daemon.storage.logins import LoginStore
from daemon.storage.workspaces import WorkspaceStore
from tests.unit.daemon.manual_clock import START_MS, ManualClock


@pytest.fixture
def logins(database: Database, workspaces: WorkspaceStore, clock: ManualClock) -> Logins:
    """Return the logins over the database."""
    return Logins(LoginStore(database), clock)


def content_of(folder: Path) -> bytes:
    """Return all bytes of a directory's files."""
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def refused(logins: Logins, token: str) -> bool:
    """Tell whether the link is refused as used."""
    try:
        await logins.use_link(token)
    except ApiError as error:
        return error.code == "link_used"
    return False


async def test_a_link_signs_in_once(logins: Logins) -> None:
    """The cookie is for the link's workspace, for twelve hours; the link is used up."""
    token = await logins.create_link("acme")
    cookie, principal = await logins.use_link(token)
    assert (principal.workspace, principal.kind) == ("acme", "cookie")
    assert principal.may(Scope.MANAGE)
    assert principal.expires_at == START_MS + SESSION_MS
    assert await logins.check(cookie) == principal
    assert await refused(logins, token)


async def test_a_link_signs_in_as_a_member(logins: Logins) -> None:
    """The cookie is that person's, and opens nothing by itself: the member's row does."""
    cookie, principal = await logins.use_link(await logins.create_link("acme", "ana"))
    assert (principal.workspace, principal.subject, principal.kind) == ("acme", "ana", "cookie")
    assert principal.is_user
    assert principal.scopes == frozenset()
    assert await logins.check(cookie) == principal
    _, console = await logins.use_link(await logins.create_link("acme"))
    assert (console.subject, console.is_user) == ("console", False)


async def test_many_clicks_at_once_sign_in_once(logins: Logins) -> None:
    """A link is consumed atomically."""
    token = await logins.create_link("acme")
    answers = await asyncio.gather(*(refused(logins, token) for _ in range(20)))
    assert answers.count(False) == 1


async def test_a_link_is_good_for_ten_minutes(logins: Logins, clock: ManualClock) -> None:
    """After them it is refused; one that never was, too."""
    early, late = await logins.create_link("acme"), await logins.create_link("acme")
    clock.ms += LINK_MS - 1
    assert not await refused(logins, early)
    clock.ms += 1
    assert await refused(logins, late)
    assert await refused(logins, "never")
    assert await refused(logins, "")


async def test_a_cookie_ends_after_twelve_hours(logins: Logins, clock: ManualClock) -> None:
    """The server forgets it, whatever the browser does."""
    cookie, _ = await logins.use_link(await logins.create_link("acme"))
    clock.ms += SESSION_MS - 1
    assert await logins.check(cookie)
    clock.ms += 1
    assert await logins.check(cookie) is None


async def test_signing_out_ends_the_session(logins: Logins) -> None:
    """At once for requests, and for what asks by the session's id."""
    cookie, principal = await logins.use_link(await logins.create_link("acme"))
    other, _ = await logins.use_link(await logins.create_link("acme"))
    session_id = principal.credential.removeprefix("cookie:")
    assert await logins.is_valid(session_id)
    await logins.sign_out(cookie)
    await logins.sign_out("never")
    assert await logins.check(cookie) is None
    assert not await logins.is_valid(session_id)
    assert await logins.check(other)


async def test_nothing_of_it_is_on_disk_as_it_is(
    logins: Logins, database: Database, data_dir: Path
) -> None:
    """Neither links nor cookies can be read out of the file."""
    token, kept = await logins.create_link("acme"), await logins.create_link("acme")
    cookie, principal = await logins.use_link(token)
    disk = content_of(data_dir)
    for secret in (token, kept, cookie):
        assert secret.encode() not in disk
        assert secret not in repr(principal)


async def test_old_rows_go_by_themselves(
    logins: Logins, database: Database, clock: ManualClock
) -> None:
    """Links and sessions that ended leave the tables when new ones come."""
    for _ in range(2):
        await logins.use_link(await logins.create_link("acme"))
        await logins.create_link("acme")
        clock.ms += SESSION_MS
    await logins.use_link(await logins.create_link("acme"))
    for table in ("login_links", "browser_sessions"):
        rows = await database.all(f"SELECT * FROM {table}")  # noqa: S608 - our own names
        assert len(rows) == (0 if table == "login_links" else 1)


@pytest.mark.parametrize("secure", [True, False])
def test_the_cookie_is_kept_from_scripts_and_other_sites(secure: bool) -> None:
    """HttpOnly, SameSite=Strict, for the whole host, Secure where there is https."""
    morsel = SimpleCookie(set_cookie("v4lue", secure=secure))[COOKIE]
    assert (morsel.value, morsel["path"], morsel["max-age"]) == ("v4lue", "/", "43200")
    assert (morsel["httponly"], morsel["samesite"]) == (True, "Strict")
    assert bool(morsel["secure"]) == secure
    gone = SimpleCookie(clear_cookie(secure=secure))[COOKIE]
    assert (gone.value, gone["max-age"]) == ("", "0")


def test_the_link_is_below_the_base() -> None:
    """One slash between them."""
    assert login_url("http://127.0.0.1:8420/", "tok") == "http://127.0.0.1:8420/login/tok"
