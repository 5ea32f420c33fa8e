"""Routes of sessions: making, starting, pairing, ending; and the sandbox's scripted phone."""

from __future__ import annotations

import io
from typing import Literal

import msgspec
import segno
from starlette.responses import Response

from daemon.auth.scopes import Scope
from daemon.transports.rest import shapes
from daemon.transports.rest.answers import json, listing
from daemon.transports.rest.route import ApiRoute, Call
from daemon.transports.rest.values import Nothing
from sessions import commands as c
from sessions.models import PairingCode, QrCode, Session, iso

_Order = Literal["start", "stop", "restart", "logout"]
PNG, SVG = "image/png", "image/svg+xml"


async def list_sessions(call: Call) -> Response:
    """Return the workspace's sessions."""
    items = (msgspec.json.encode(s) for s in call.services.engine.sessions(call.who))
    return listing(call.request, items)


async def create_session(call: Call) -> Response:
    """Make a session."""
    new: shapes.NewSession = call.body
    session = await call.services.engine.create(call.who, new.id, new.label, new.provider)
    return json(session, 201)


async def get_session(call: Call) -> Response:
    """Return one session."""
    return json(call.services.engine.session(call.who, call.path["session"]))


async def delete_session(call: Call) -> Response:
    """Close and forget a session."""
    await call.services.engine.delete(call.who, call.path["session"])
    return Response(status_code=204)


async def start_session(call: Call) -> Response:
    """Open a session."""
    return _order(call, "start")


async def stop_session(call: Call) -> Response:
    """Close a session."""
    return _order(call, "stop")


async def restart_session(call: Call) -> Response:
    """Close and open a session."""
    return _order(call, "restart")


async def logout_session(call: Call) -> Response:
    """Unlink a session's device."""
    return _order(call, "logout")


def _order(call: Call, what: _Order) -> Response:
    return json(call.services.engine.order(call.who, call.path["session"], what), 202)


async def get_qr(call: Call) -> Response:
    """Return the code to scan: as text, or drawn."""
    qr = call.services.engine.qr(call.who, call.path["session"])
    kind = _wanted(call.request.headers.get("accept", ""))
    if kind is None:
        return _uncached(json(qr))
    picture = io.BytesIO()
    drawing = segno.make(qr.qr, error="l", micro=False)
    if kind == PNG:
        drawing.save(picture, kind="png", scale=8, border=4)
    else:
        drawing.save(picture, kind="svg", scale=8, border=4, light="#fff", xmldecl=False)
    return _uncached(Response(picture.getvalue(), media_type=kind))


def _wanted(accept: str) -> str | None:
    """Return the first kind of picture that the header names; None means JSON."""
    kinds = [part.split(";")[0].strip() for part in accept.split(",")]
    return next((kind for kind in kinds if kind in (PNG, SVG)), None)


def _uncached(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "Accept"
    return response


async def get_pairing_code(call: Call) -> Response:
    """Ask for a code to type into the phone."""
    body: shapes.Phone = call.body
    code = await call.services.engine.pairing_code(call.who, call.path["session"], body.phone)
    return json(PairingCode(code=code.code, expires_at=iso(code.expires_at)))


async def sandbox_scan(call: Call) -> Response:
    """Let the scripted phone scan."""
    return await _play(call, c.SandboxScan())


async def sandbox_receive(call: Call) -> Response:
    """Let a contact write."""
    body: shapes.SandboxText = call.body
    command = c.SandboxReceive(phone=body.sender, text=body.text, name=body.name)
    return await _play(call, command)


async def sandbox_drop(call: Call) -> Response:
    """Let the line go and come back."""
    return await _play(call, c.SandboxDrop())


async def sandbox_logout(call: Call) -> Response:
    """Let the scripted phone unlink."""
    return await _play(call, c.SandboxLogout())


async def sandbox_traffic(call: Call) -> Response:
    """Let contacts write by themselves."""
    body: shapes.Traffic = call.body
    return await _play(call, c.SandboxTraffic(messages_per_minute=body.messages_per_minute))


async def _play(call: Call, command: c.SandboxCommand) -> Response:
    answer = await call.services.engine.sandbox(call.who, call.path["session"], command)
    if isinstance(answer, c.Received):
        return json(shapes.Created(id=answer.id), 202)
    return json(call.services.engine.session(call.who, call.path["session"]), 202)


_ONE = ("session_not_found", "invalid_id")
_READ = (Scope.READ,)
_MANAGE = (Scope.MANAGE,)
_PAIR = (Scope.MANAGE, Scope.PAIR)


def _orders() -> list[ApiRoute]:
    handlers = {
        "start": (start_session, "Open a session; nothing if it is open"),
        "stop": (stop_session, "Close a session; nothing if it is closed"),
        "restart": (restart_session, "Close and open a session"),
        "logout": (logout_session, "Unlink a session's device from its phone"),
    }
    return [
        ApiRoute(
            method="POST",
            path=f"/v1/sessions/{{session}}/{word}",
            handler=handler,
            summary=summary,
            scopes=_MANAGE,
            body=Nothing,
            answer=Session,
            status=202,
            errors=_ONE,
        )
        for word, (handler, summary) in handlers.items()
    ]


def _sandbox() -> list[ApiRoute]:
    rows = (
        ("scan", sandbox_scan, "Sandbox: the phone scans the code", Nothing, Session),
        (
            "receive",
            sandbox_receive,
            "Sandbox: a contact writes",
            shapes.SandboxText,
            shapes.Created,
        ),
        ("drop", sandbox_drop, "Sandbox: the line goes and comes back", Nothing, Session),
        ("logout", sandbox_logout, "Sandbox: the phone unlinks", Nothing, Session),
        ("traffic", sandbox_traffic, "Sandbox: contacts write", shapes.Traffic, Session),
    )
    return [
        ApiRoute(
            method="POST",
            path=f"/v1/sessions/{{session}}/sandbox/{word}",
            handler=handler,
            summary=summary,
            scopes=_MANAGE,
            body=body,
            answer=answer,
            status=202,
            errors=(*_ONE, "not_a_sandbox", "session_not_connected", "not_pairing", "invalid_jid"),
        )
        for word, handler, summary, body, answer in rows
    ]


ROUTES: list[ApiRoute] = [
    ApiRoute(
        method="GET",
        path="/v1/sessions",
        handler=list_sessions,
        summary="List the sessions",
        scopes=_READ,
        query=Nothing,
        answer=shapes.Sessions,
    ),
    ApiRoute(
        method="POST",
        path="/v1/sessions",
        handler=create_session,
        summary="Make a session",
        scopes=_MANAGE,
        body=shapes.NewSession,
        answer=Session,
        status=201,
        errors=("session_exists", "invalid_id"),
    ),
    ApiRoute(
        method="GET",
        path="/v1/sessions/{session}",
        handler=get_session,
        summary="Get a session",
        scopes=(Scope.READ, Scope.PAIR),
        query=Nothing,
        answer=Session,
        errors=_ONE,
    ),
    ApiRoute(
        method="DELETE",
        path="/v1/sessions/{session}",
        handler=delete_session,
        summary="Close a session and forget it, with its keys",
        scopes=_MANAGE,
        status=204,
        errors=_ONE,
    ),
    *_orders(),
    ApiRoute(
        method="GET",
        path="/v1/sessions/{session}/qr",
        handler=get_qr,
        summary="Get the code to scan, as JSON or drawn (by Accept)",
        scopes=_PAIR,
        query=Nothing,
        answer=QrCode,
        errors=(*_ONE, "not_pairing"),
        media=("application/json", PNG, SVG),
    ),
    ApiRoute(
        method="POST",
        path="/v1/sessions/{session}/pairing-code",
        handler=get_pairing_code,
        summary="Get a code to type into the phone",
        scopes=_PAIR,
        body=shapes.Phone,
        answer=PairingCode,
        errors=(*_ONE, "not_pairing", "invalid_jid", "command_failed", "unsupported"),
    ),
    *_sandbox(),
]
