"""Routes about the caller itself: who it is, and tickets for URLs."""

from __future__ import annotations

from starlette.responses import Response

from daemon.auth.scopes import Scope
from daemon.transports.rest import shapes
from daemon.transports.rest.answers import json
from daemon.transports.rest.route import ApiRoute, Call
from daemon.transports.rest.values import Nothing
from sessions.models import iso


async def get_me(call: Call) -> Response:
    """Return who asks."""
    who = call.who
    standing = call.services.metadata.standing(who)
    visible = call.services.metadata.visible(who)
    return json(
        shapes.Me(
            workspace=who.workspace,
            subject=who.subject,
            scopes=sorted(who.scopes),
            kind=who.kind,
            expires_at=iso(who.expires_at) if who.expires_at else None,
            name=standing.actor.name,
            member=standing.member is not None,
            role=standing.role,
            abilities=sorted(standing.abilities()),
            sessions=None if visible is None else sorted(visible),
        )
    )


async def make_ticket(call: Call) -> Response:
    """Make a ticket for a URL."""
    body: shapes.TicketRequest = call.body
    ticket, expires_at = call.services.auth.issue_ticket(call.who, body.use)
    return json(shapes.Ticket(ticket=ticket, expires_at=iso(expires_at)), 201)


ROUTES: list[ApiRoute] = [
    ApiRoute(
        method="GET",
        path="/v1/me",
        handler=get_me,
        summary="Say who asks, and what it may do",
        query=Nothing,
        answer=shapes.Me,
        errors=("not_a_member",),
    ),
    ApiRoute(
        method="POST",
        path="/v1/tickets",
        handler=make_ticket,
        summary="Make a ticket, for what cannot send headers",
        scopes=(Scope.READ, Scope.STREAM, Scope.MEDIA),
        body=shapes.TicketRequest,
        answer=shapes.Ticket,
        status=201,
    ),
]
