"""Routes of people's rights: exports, and the erasure of a contact."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import FileResponse, Response

from daemon.auth.scopes import Scope
from daemon.services.people.exports import Scope as Subject
from daemon.services.people.formats import Format
from daemon.storage.jobs import Job, JobState
from daemon.transports.rest.answers import json, listing
from daemon.transports.rest.route import ApiRoute, Call
from daemon.transports.rest.values import Nothing, SessionName, Shape, Short
from sessions.models import Value, iso

Chat = Annotated[str, Meta(min_length=1, max_length=200)]


# -- shapes


class ExportScope(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to export: one of ``chat`` (its id), ``contact`` (a number or address), ``workspace``.

    ``session`` narrows a contact to one session; else it is looked for in all of them.
    """

    chat: Chat | UnsetType = UNSET
    contact: Short | UnsetType = UNSET
    workspace: Short | UnsetType = UNSET
    session: SessionName | UnsetType = UNSET


class NewExport(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An export to make."""

    scope: ExportScope
    format: Format = "jsonl"


class ExportView(Value, frozen=True, kw_only=True):
    """An export. ``progress`` is in hundredths; ``rows`` by file and ``bytes`` when it is done."""

    id: str
    state: JobState
    progress: int
    scope: dict[str, Any]
    format: Format
    rows: dict[str, int] | None
    bytes: int | None
    code: str | None
    detail: str | None
    created_at: str
    updated_at: str
    expires_at: str | None


class Exports(Value, frozen=True, kw_only=True):
    """The exports, newest first."""

    items: list[ExportView]
    next_cursor: str | None


class NewErasure(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A contact (a number or address) to erase; of one ``session``, or of all that there are."""

    contact: Short
    session: SessionName | UnsetType = UNSET


class ErasureView(Value, frozen=True, kw_only=True):
    """An erasure. ``report`` says what was erased where; the contact is not named any more."""

    id: str
    state: JobState
    progress: int
    sessions: list[str]
    report: dict[str, Any]
    code: str | None
    detail: str | None
    created_at: str
    updated_at: str


class Erasures(Value, frozen=True, kw_only=True):
    """The erasures, newest first."""

    items: list[ErasureView]
    next_cursor: str | None


# -- exports


async def create_export(call: Call) -> Response:
    """Ask for an export."""
    body: NewExport = call.body
    given = {name: value for name, value in msgspec.structs.asdict(body.scope).items() if value}
    job = await call.services.people.exports.create(call.who, Subject(**given), body.format)
    return _accepted(call, job, _export(call, job))


async def list_exports(call: Call) -> Response:
    """Return the exports."""
    found = await call.services.people.exports.all(call.who)
    return listing(call.request, (msgspec.json.encode(_export(call, job)) for job in found))


async def get_export(call: Call) -> Response:
    """Return one export."""
    return json(_export(call, await call.services.people.exports.get(call.who, call.path["id"])))


async def get_export_file(call: Call) -> Response:
    """Return the file."""
    path = await call.services.people.exports.file(call.who, call.path["id"])
    stat = await asyncio.to_thread(path.stat)
    name = f"zapd-export-{path.name}"
    return FileResponse(
        path,
        media_type="application/zip",
        filename=name,
        stat_result=stat,
        headers={"Cache-Control": "private, no-store"},
    )


async def delete_export(call: Call) -> Response:
    """Forget an export, with its file."""
    await call.services.people.exports.delete(call.who, call.path["id"])
    return Response(status_code=204)


def _export(call: Call, job: Job) -> ExportView:
    keep_ms = call.services.people.exports.keep_ms
    is_over = job.state in {"done", "failed"}
    return ExportView(
        id=job.id,
        state=job.state,
        progress=job.progress,
        scope=job.request["scope"],
        format=job.request["format"],
        rows=job.report.get("rows"),
        bytes=job.report.get("bytes"),
        code=job.code,
        detail=job.detail,
        created_at=iso(job.created_at),
        updated_at=iso(job.updated_at),
        expires_at=iso(job.updated_at + keep_ms) if is_over else None,
    )


# -- erasures


async def create_erasure(call: Call) -> Response:
    """Ask for an erasure."""
    body: NewErasure = call.body
    session = None if body.session is UNSET else body.session
    job = await call.services.people.erasures.create(call.who, body.contact, session)
    return _accepted(call, job, _erasure(job))


async def list_erasures(call: Call) -> Response:
    """Return the erasures."""
    found = await call.services.people.erasures.all(call.who)
    return listing(call.request, (msgspec.json.encode(_erasure(job)) for job in found))


async def get_erasure(call: Call) -> Response:
    """Return one erasure."""
    return json(_erasure(await call.services.people.erasures.get(call.who, call.path["id"])))


def _erasure(job: Job) -> ErasureView:
    return ErasureView(
        id=job.id,
        state=job.state,
        progress=job.progress,
        sessions=job.request["sessions"],
        report=job.report,
        code=job.code,
        detail=job.detail,
        created_at=iso(job.created_at),
        updated_at=iso(job.updated_at),
    )


def _accepted(call: Call, job: Job, view: Value) -> Response:
    response = json(view, 202)
    response.headers["Location"] = f"{call.request.url.path}/{job.id}"
    return response


_ADMIN = (Scope.ADMIN,)
_WHO = ("not_a_member", "missing_ability")
_STORE = ("storage_full", "storage_busy", "storage_failed")
_SUBJECT = ("session_not_found", "invalid_jid", "invalid_id", "invalid_value", "limit_reached")

EXPORT_ROUTES: list[ApiRoute] = [
    ApiRoute(
        method="POST",
        path="/v1/exports",
        handler=create_export,
        summary="Export a chat, a contact or the workspace into a zip; it is written as a job",
        scopes=_ADMIN,
        body=NewExport,
        answer=ExportView,
        status=202,
        errors=(*_WHO, *_STORE, *_SUBJECT),
    ),
    ApiRoute(
        method="GET",
        path="/v1/exports",
        handler=list_exports,
        summary="List the exports, newest first",
        scopes=_ADMIN,
        query=Nothing,
        answer=Exports,
        errors=_WHO,
    ),
    ApiRoute(
        method="GET",
        path="/v1/exports/{id}",
        handler=get_export,
        summary="Get an export: how far it is, what is in it",
        scopes=_ADMIN,
        query=Nothing,
        answer=ExportView,
        errors=(*_WHO, "export_not_found"),
    ),
    ApiRoute(
        method="GET",
        path="/v1/exports/{id}/file",
        handler=get_export_file,
        summary="Fetch the zip of an export",
        scopes=_ADMIN,
        query=Nothing,
        media=("application/zip",),
        errors=(*_WHO, "export_not_found", "export_not_ready", "export_gone"),
    ),
    ApiRoute(
        method="DELETE",
        path="/v1/exports/{id}",
        handler=delete_export,
        summary="Delete an export and its file; one that is being written ends",
        scopes=_ADMIN,
        status=204,
        errors=(*_WHO, *_STORE, "export_not_found"),
    ),
]

ERASURE_ROUTES: list[ApiRoute] = [
    ApiRoute(
        method="POST",
        path="/v1/erasures",
        handler=create_erasure,
        summary="Erase a contact everywhere; it is done as a job",
        scopes=_ADMIN,
        body=NewErasure,
        answer=ErasureView,
        status=202,
        errors=(*_WHO, *_STORE, *_SUBJECT),
    ),
    ApiRoute(
        method="GET",
        path="/v1/erasures",
        handler=list_erasures,
        summary="List the erasures, newest first",
        scopes=_ADMIN,
        query=Nothing,
        answer=Erasures,
        errors=_WHO,
    ),
    ApiRoute(
        method="GET",
        path="/v1/erasures/{id}",
        handler=get_erasure,
        summary="Get an erasure: how far it is, what was erased where",
        scopes=_ADMIN,
        query=Nothing,
        answer=ErasureView,
        errors=(*_WHO, "erasure_not_found"),
    ),
]

ROUTES: list[ApiRoute] = [*EXPORT_ROUTES, *ERASURE_ROUTES]
