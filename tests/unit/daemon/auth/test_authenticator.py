from __future__ import annotations

import functools
from dataclasses import replace

import pytest

from daemon.auth.authenticator import Authenticator
from daemon.auth.login import COOKIE
from daemon.auth.scopes import Scope
from daemon.errors import ApiError
from daemon.storage.database import Database
from daemon.storage.keys import KeyStore
from daemon.storage.workspaces import WorkspaceStore
from tests.unit.daemon.auth.people import NOW_S, add_key, secret_of, token
from tests.unit.daemon.manual_clock import START_MS, ManualClock


async def refusal(
    door: Authenticator,
    headers: dict[str, str] | None = None,
    ticket: str | None = None,
    cookies: dict[str, str] | None = None,
) -> ApiError:
    """Return how the door refuses."""
    with pytest.raises(ApiError) as caught:
        await door.authenticate(headers or {}, ticket, cookies or {})
    return caught.value


async def test_every_kind_of_credential_opens_the_door(
    door: Authenticator, database: Database, workspaces: WorkspaceStore
) -> None:
    """Key and token as bearer, key in its own header, ticket, cookie."""
    key, _ = await add_key(database, Scope.READ)
    text = token(await secret_of(workspaces, "acme"), workspace_id="acme")
    by_key = await door.authenticate({"authorization": f"Bearer {key}"}, None, {})
    by_token = await door.authenticate({"authorization": f"bearer  {text} "}, None, {})
    by_header = await door.authenticate({"x-api-key": key}, None, {})
    ticket, _ = door.issue_ticket(by_key, "stream")
    by_ticket = await door.authenticate({}, ticket, {})
    cookie, _ = await door.logins.use_link(await door.logins.create_link("acme"))
    by_cookie = await door.authenticate({}, None, {COOKIE: cookie})
    everybody = [by_key, by_token, by_header, by_ticket, by_cookie]
    assert [p.kind for p in everybody] == ["api_key", "jwt", "api_key", "ticket", "cookie"]
    assert {p.workspace for p in everybody} == {"acme"}
    assert all([await door.still_valid(p) for p in everybody])


async def test_all_refusals_look_the_same(
    door: Authenticator, database: Database, workspaces: WorkspaceStore
) -> None:
    """Nothing tells whether a key id, a workspace or a user exists."""
    _, key_id = await add_key(database, Scope.READ)
    secret = await secret_of(workspaces, "acme")
    shown = [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Basic dXNlcjpwYXNz"},
        {"authorization": "Bearer rubbish"},
        {"authorization": f"Bearer zk_{key_id}_{'x' * 43}"},
        {"authorization": f"Bearer zk_00000000_{'x' * 43}"},
        {"authorization": "Bearer " + "x" * 10_000},
        {"authorization": f"Bearer {token(secret, workspace_id='nobody')}"},
        {"authorization": f"Bearer {token(secret, workspace_id='beta')}"},
        {"authorization": f"Bearer {token(secret, workspace_id='acme', exp=NOW_S - 60)}"},
        {"x-api-key": "rubbish"},
        {"x-api-key": token(secret, workspace_id="acme")},
    ]
    errors = [await refusal(door, headers) for headers in shown]
    errors += [await refusal(door, cookies={COOKIE: value}) for value in ("", "x", "x" * 9000)]
    assert {str(error.body()) for error in errors} == {str(ApiError("unauthorized").body())}
    assert {error.headers["WWW-Authenticate"] for error in errors} == {'Bearer realm="zapd"'}


async def test_a_wrong_credential_does_not_fall_through(
    door: Authenticator, database: Database
) -> None:
    """A bad header beside a good cookie or ticket is refused."""
    key, _ = await add_key(database, Scope.READ)
    cookie, principal = await door.logins.use_link(await door.logins.create_link("acme"))
    ticket, _ = door.issue_ticket(principal, "stream")
    good = {COOKIE: cookie}
    assert (await refusal(door, {"authorization": "Bearer x"}, ticket, good)).code == "unauthorized"
    assert (await refusal(door, {"x-api-key": key[:-1]}, ticket, good)).code == "unauthorized"
    assert (await refusal(door, {}, "wrong", good)).code == "ticket_expired"


async def test_a_revoked_key_ends_its_streams_and_tickets(
    door: Authenticator, database: Database, clock: ManualClock
) -> None:
    """Within a second: the key, the streams it opened, the tickets it asked for."""
    key, key_id = await add_key(database, Scope.READ)
    holder = await door.authenticate({"x-api-key": key}, None, {})
    ticket, _ = door.issue_ticket(holder, "stream")
    stream = await door.authenticate({}, ticket, {})
    await KeyStore(database).revoke(key_id, START_MS)
    clock.forward(1)
    assert not await door.still_valid(holder)
    assert not await door.still_valid(stream)
    assert (await refusal(door, ticket=ticket)).code == "ticket_expired"


async def test_a_stream_ends_when_its_token_does(
    door: Authenticator, workspaces: WorkspaceStore, clock: ManualClock
) -> None:
    """At the token's own end, some seconds of leeway included."""
    secret = await secret_of(workspaces, "acme")
    holder = await door.authenticate_token(token(secret, workspace_id="acme", exp=NOW_S + 30))
    ticket, deadline = door.issue_ticket(holder, "stream")
    stream = await door.authenticate({}, ticket, {})
    assert deadline == (NOW_S + 35) * 1000
    clock.forward(34)
    assert await door.still_valid(holder)
    assert await door.still_valid(stream)
    clock.forward(1)
    assert not await door.still_valid(holder)
    assert not await door.still_valid(stream)


async def test_signing_out_ends_a_members_streams(door: Authenticator) -> None:
    """As the console's; a browser that somebody else signed in goes on."""
    (cookie, who), (_, other) = [
        await door.logins.use_link(await door.logins.create_link("acme", name))
        for name in ("ana", "bruno")
    ]
    assert await door.still_valid(who)
    await door.logins.sign_out(cookie)
    assert not await door.still_valid(who)
    assert await door.still_valid(other)


async def test_signing_out_ends_the_consoles_streams(door: Authenticator) -> None:
    """The stream of a deleted cookie session is over."""
    cookie, holder = await door.logins.use_link(await door.logins.create_link("acme"))
    assert await door.still_valid(holder)
    await door.logins.sign_out(cookie)
    assert not await door.still_valid(holder)


async def test_a_ticket_reopens_as_eventsource_does(
    door: Authenticator, database: Database, clock: ManualClock
) -> None:
    """Cut after ten minutes, back within the minute; later than that it is over."""
    key, _ = await add_key(database, Scope.READ)
    ended: list[str] = []
    ticket, _ = door.issue_ticket(await door.authenticate_key(key), "stream")
    for name in ("first", "second"):
        holder = await door.authenticate({}, ticket, {})
        closed = door.stream_opened(holder, lambda name=name: ended.append(name))  # type: ignore[misc]  # a bound default
        clock.forward(600)
        assert await door.still_valid(holder)
        closed()
        clock.forward(59)
    assert ended == []
    clock.forward(2)
    assert (await refusal(door, ticket=ticket)).code == "ticket_expired"


async def test_a_newer_stream_of_a_ticket_ends_the_older_one_alone(
    door: Authenticator, database: Database
) -> None:
    """Not the streams of the key that gave the ticket, nor those of its other tickets."""
    key, _ = await add_key(database, Scope.READ)
    holder = await door.authenticate_key(key)
    ended: list[str] = []
    door.stream_opened(holder, lambda: ended.append("key"))
    tickets = [door.issue_ticket(holder, "stream")[0] for _ in range(2)]
    for number, ticket in enumerate([*tickets, tickets[0]]):
        shown = await door.authenticate({}, ticket, {})
        door.stream_opened(shown, functools.partial(ended.append, str(number)))
        assert shown.credential == holder.credential
        assert await door.still_valid(shown)
    assert ended == ["0"]


async def test_a_key_made_elsewhere_is_valid_at_once(
    door: Authenticator, database: Database
) -> None:
    """What another process writes counts from the moment it is written."""
    for _ in range(3):
        key, _ = await add_key(database, Scope.SEND)
        assert (await door.authenticate_key(key)).scopes == {Scope.SEND}


async def test_a_credential_of_no_known_kind_is_over(door: Authenticator) -> None:
    """A principal that nobody here gave does not stay."""
    cookie, holder = await door.logins.use_link(await door.logins.create_link("acme"))
    odd = replace(holder, credential="guess:1")
    assert cookie
    assert not await door.still_valid(odd)
