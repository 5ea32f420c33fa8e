from __future__ import annotations

import functools

import pytest

from daemon.auth.principal import Principal
from daemon.auth.scopes import Scope, widen
from daemon.auth.tickets import CAPACITY, LIFE_MS, Tickets, Use
from daemon.errors import ApiError

ANA = Principal(
    workspace="acme",
    subject="ana",
    scopes=widen(frozenset({Scope.READ, Scope.SEND})),
    kind="jwt",
    credential="jwt:ana",
    expires_at=1_000_000,
)
BOB = Principal(
    workspace="beta",
    subject="bob",
    scopes=frozenset(Scope),
    kind="api_key",
    credential="key:bob",
    sessions=frozenset({"s1"}),
)


def refused(tickets: Tickets, ticket: str, now: int) -> str:
    """Return the code of the refusal."""
    with pytest.raises(ApiError) as caught:
        tickets.present(ticket, now)
    return caught.value.code


@pytest.mark.parametrize(("use", "scope"), [("stream", Scope.STREAM), ("media", Scope.MEDIA)])
def test_a_ticket_carries_its_issuer_narrowed(use: Use, scope: Scope) -> None:
    """Workspace, session, credential and end are the issuer's; the scope is one."""
    tickets = Tickets()
    ticket, deadline = tickets.issue(BOB, use, 1000)
    holder = tickets.present(ticket, 1000)
    assert deadline == 1000 + LIFE_MS
    assert (holder.workspace, holder.sessions, holder.kind) == ("beta", frozenset({"s1"}), "ticket")
    assert holder.credential == "key:bob"
    assert holder.scopes == {scope}
    assert holder.expires_at is None


def test_a_ticket_opens_within_a_minute() -> None:
    """At the end of it yes, after it no."""
    tickets = Tickets()
    ticket, _ = tickets.issue(ANA, "stream", 0)
    assert tickets.present(ticket, LIFE_MS).workspace == "acme"
    assert refused(tickets, ticket, LIFE_MS + 1) == "ticket_expired"


def nothing() -> None:
    """End a stream that nobody watches."""


def test_a_stream_may_open_again_within_a_minute_of_each_cut() -> None:
    """However long it was open, and however often it was cut."""
    tickets = Tickets()
    ticket, _ = tickets.issue(BOB, "stream", 0)
    now = 0
    for _ in range(3):
        holder = tickets.present(ticket, now)
        tickets.opened(holder, nothing)
        now += 200_000
        tickets.closed(holder, nothing, now)
        now += LIFE_MS
    assert refused(tickets, ticket, now + 1) == "ticket_expired"


def test_a_reconnect_before_the_cut_is_noticed_wins() -> None:
    """The newer stream stays, the older one is ended: there is one, and its close counts."""
    tickets = Tickets()
    ticket, _ = tickets.issue(BOB, "stream", 0)
    ended: list[str] = []
    ends = {name: functools.partial(ended.append, name) for name in ("first", "second")}
    first = tickets.present(ticket, 0)
    tickets.opened(first, ends["first"])
    second = tickets.present(ticket, 100_000)
    tickets.opened(second, ends["second"])
    assert ended == ["first"]
    tickets.closed(first, ends["first"], 100_100)
    assert tickets.present(ticket, 300_000).workspace == "beta"
    tickets.closed(second, ends["second"], 400_000)
    assert refused(tickets, ticket, 400_000 + LIFE_MS + 1) == "ticket_expired"
    assert ended == ["first"]


def test_streams_of_other_credentials_are_none_of_its_business() -> None:
    """Opening and closing one that came without a ticket does nothing."""
    tickets = Tickets()
    tickets.issue(BOB, "stream", 0)
    tickets.opened(BOB, nothing)
    tickets.closed(BOB, nothing, 0)
    assert len(tickets) == 1


def test_media_is_fetched_many_times_within_the_minute() -> None:
    """A page has many pictures, and a film many ranges: no fetch ends another."""
    tickets = Tickets()
    ticket, _ = tickets.issue(ANA, "media", 0)
    holders = {tickets.present(ticket, LIFE_MS) for _ in range(5)}
    assert len(holders) == 1
    assert refused(tickets, ticket, LIFE_MS + 1) == "ticket_expired"


def test_a_ticket_ends_with_its_issuer() -> None:
    """A credential that ends in ten seconds gives tickets of ten seconds, also when open."""
    tickets = Tickets()
    ticket, deadline = tickets.issue(ANA, "stream", 990_000)
    assert deadline == 1_000_000
    tickets.opened(tickets.present(ticket, 995_000), nothing)
    assert refused(tickets, ticket, 1_000_000) == "ticket_expired"


@pytest.mark.parametrize("ticket", ["", "acme.", "acme.x", "nobody.x", "é\ud800", "x" * 10_000])
def test_what_was_never_a_ticket_is_like_an_old_one(ticket: str) -> None:
    """One refusal for all."""
    tickets = Tickets()
    tickets.issue(ANA, "stream", 0)
    assert refused(tickets, ticket, 0) == "ticket_expired"


def test_a_ticket_gives_no_ticket_and_no_more_than_there_is() -> None:
    """The holder of a ticket cannot renew it, nor can one who may not stream."""
    tickets = Tickets()
    ticket, _ = tickets.issue(ANA, "stream", 0)
    sender = Principal("acme", "x", frozenset({Scope.SEND}), "jwt", "jwt:x")
    for principal in (tickets.present(ticket, 0), sender):
        with pytest.raises(ApiError) as caught:
            tickets.issue(principal, "stream", 0)
        assert caught.value.code == "missing_scope"


def test_one_workspace_cannot_use_up_anothers_tickets() -> None:
    """The bound is by workspace; what is over makes room."""
    tickets = Tickets()
    for _ in range(CAPACITY):
        tickets.issue(ANA, "stream", 0)
    with pytest.raises(ApiError) as caught:
        tickets.issue(ANA, "stream", 0)
    assert caught.value.code == "rate_limited"
    assert caught.value.headers == {"Retry-After": "60"}
    tickets.issue(BOB, "stream", 0)
    assert len(tickets) == CAPACITY + 1
    tickets.issue(ANA, "stream", LIFE_MS + 1)
    assert len(tickets) == 1


def test_tickets_are_not_kept_as_they_are() -> None:
    """A ticket has 256 random bits, and what is held in memory is its hash."""
    tickets = Tickets()
    ticket, _ = tickets.issue(ANA, "stream", 0)
    assert len(ticket.removeprefix("acme.")) == 43
    assert ticket not in repr(vars(tickets))
    assert tickets.issue(ANA, "stream", 0)[0] != ticket
