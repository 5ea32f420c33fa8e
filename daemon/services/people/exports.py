"""Exports: asked for by principals, written as jobs, kept for a while, fetched as files."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from daemon.auth.principal import Principal
from daemon.errors import ApiError
from daemon.history.port import HistoryFailed
from daemon.metadata.models import Role
from daemon.services.engine import Engine
from daemon.services.jobs import Doer, JobFailed, Jobs, Work
from daemon.services.metadata import Metadata
from daemon.services.people.addresses import Addresses
from daemon.services.people.bundle import partial_of
from daemon.services.people.exporting import Order, Told, export
from daemon.services.people.formats import Format
from daemon.services.people.source import Source, Wanted
from daemon.storage.data_dir import EXPORTS
from daemon.storage.database import Database
from daemon.storage.failures import from_os
from daemon.storage.jobs import Job, JobStore
from sessions.ids import SessionKey, parse_jid, split_chat_id
from sessions.models import iso
from sessions.ports import Clock

log = logging.getLogger("zapd.exports")

KIND = "export"
MOST_OPEN = 20  # exports of a workspace that wait or run


class Scope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an export is of: one of the three. ``session`` narrows a contact."""

    chat: str | None = None
    contact: str | None = None
    workspace: str | None = None
    session: str | None = None


class Room(NamedTuple):
    """What exports are made from, and where."""

    data_dir: Path
    database: Database
    source: Source
    addresses: Addresses
    sessions: Callable[[str], list[str]]
    """Returns the ids of a workspace's sessions."""
    clock: Clock
    zapd: str
    """The version, for the manifest."""


class Writer:
    """Writes exports, for nobody in particular: who may was asked before."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def path(self, id: str) -> Path:
        """Return where the file of an export is."""
        return self._room.data_dir / EXPORTS / f"{id}.zip"

    def folder(self) -> Path:
        """Return the folder of the files, made where it is not there. Raises ``OSError``."""
        folder = self._room.data_dir / EXPORTS
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    async def write(self, workspace: str, scope: Scope, form: Format, work: Work) -> dict[str, Any]:
        """Do a job; raise ``JobFailed``."""
        try:
            self.folder()
            return await self.write_to(self.path(work.job.id), workspace, scope, form, work.at)
        except HistoryFailed as error:
            raise JobFailed("storage_failed", str(error)) from error
        except OSError as error:
            failure = from_os(error, self.path(work.job.id))
            raise JobFailed(failure.code, str(failure)) from error

    async def write_to(
        self, target: Path, workspace: str, scope: Scope, form: Format, told: Told
    ) -> dict[str, Any]:
        """Write an export to a file; ``told`` takes how far it is."""
        room = self._room
        about = {
            "workspace": workspace,
            "scope": msgspec.to_builtins(scope),
            "made_at": iso(room.clock.now_ms()),
            "zapd": room.zapd,
        }
        order = Order(await self._wanted(workspace, scope), form, about)
        return await export(order, target, room.source, room.database, told)

    async def _wanted(self, workspace: str, scope: Scope) -> Wanted:
        sessions = tuple(self._room.sessions(workspace))
        if scope.chat is not None:
            session, jid = split_chat_id(scope.chat)
            jids = await self._room.addresses.of(SessionKey(workspace, session), jid)
            return Wanted(workspace, (session,), jids)
        if scope.contact is None:
            return Wanted(workspace, sessions)
        chosen = (scope.session,) if scope.session is not None else sessions
        jid = parse_jid(scope.contact)
        found = [await self._room.addresses.of(SessionKey(workspace, s), jid) for s in chosen]
        return Wanted(workspace, chosen, frozenset({jid}).union(*found), groups=True)


class Exports:
    """What principals ask for."""

    def __init__(
        self, writer: Writer, store: JobStore, engine: Engine, metadata: Metadata, keep_ms: int
    ) -> None:
        """``keep_ms``: how long a file stays; ``jobs`` is set by whoever joins the parts."""
        self._writer = writer
        self._store = store
        self._engine = engine
        self._metadata = metadata
        self.keep_ms = keep_ms
        self.jobs: Jobs | None = None

    @property
    def doer(self) -> Doer:
        """How the jobs are done."""
        return Doer(self._do, self._undo)

    # -- what is asked for

    async def create(self, who: Principal, scope: Scope, form: Format) -> Job:
        """Ask for an export; raise where the principal may not see all that it is of."""
        allowed(self._metadata, who)
        self._check(who, scope)
        if await self._store.count_open(who.workspace, KIND) >= MOST_OPEN:
            raise ApiError("limit_reached", f"{MOST_OPEN} exports wait already.")
        request = {"scope": msgspec.to_builtins(scope), "format": form}
        assert self.jobs is not None  # noqa: S101 - set where the parts are joined
        return await self.jobs.add(who.workspace, KIND, who.subject, request)

    async def all(self, who: Principal) -> list[Job]:
        """Return the workspace's exports, newest first."""
        allowed(self._metadata, who)
        found = await self._store.of_workspace(who.workspace, KIND)
        return [job for job in found if self._visible(who, job)]

    async def get(self, who: Principal, id: str) -> Job:
        """Return one; raise ``export_not_found``."""
        allowed(self._metadata, who)
        job = await self._store.find(who.workspace, KIND, id)
        if job is None or not self._visible(who, job):
            raise ApiError("export_not_found")
        return job

    async def file(self, who: Principal, id: str) -> Path:
        """Return where the file is; raise ``export_not_ready`` or ``export_gone``."""
        job = await self.get(who, id)
        if job.state != "done":
            raise ApiError("export_not_ready", f"The export is {job.state}.")
        path = self._writer.path(job.id)
        if not await asyncio.to_thread(path.is_file):
            raise ApiError("export_gone")
        return path

    async def delete(self, who: Principal, id: str) -> None:
        """Forget an export, with its file."""
        job = await self.get(who, id)
        assert self.jobs is not None  # noqa: S101 - set where the parts are joined
        await self.jobs.delete(job)

    def _check(self, who: Principal, scope: Scope) -> None:
        given = [scope.chat, scope.contact, scope.workspace]
        if sum(part is not None for part in given) != 1:
            raise ApiError("invalid_value", "A scope is one of chat, contact and workspace.")
        if scope.session is not None and scope.contact is None:
            raise ApiError("invalid_value", "A session narrows a contact only.")
        if scope.chat is not None:
            self._engine.ref(who, scope.chat)
        elif scope.session is not None:
            self._engine.session(who, scope.session)
        elif who.sessions is not None:
            raise ApiError("missing_ability", "You see only some sessions: name one of them.")
        if scope.contact is not None:
            check_person(scope.contact)
        if scope.workspace not in {None, who.workspace}:
            raise ApiError("invalid_value", "That is not your workspace.")

    def _visible(self, who: Principal, job: Job) -> bool:
        """Tell whether all that the export is of can be seen."""
        if who.sessions is None:
            return True
        scope = job.request["scope"]
        session = scope.get("session") or scope.get("chat", "").partition(":")[0]
        return session in who.sessions

    # -- the work

    async def _do(self, work: Work) -> dict[str, Any]:
        request = work.job.request
        scope = msgspec.convert(request["scope"], Scope)
        return await self._writer.write(work.job.workspace, scope, request["format"], work)

    async def _undo(self, job: Job) -> None:
        """Remove what there is of the file."""
        path = self._writer.path(job.id)
        for each in (path, partial_of(path)):
            with contextlib.suppress(OSError):
                await asyncio.to_thread(each.unlink, missing_ok=True)

    async def tend(self, now: int) -> None:
        """Forget exports that are too old, and files that belong to none.

        Raises ``StorageError``, ``OSError``.
        """
        for job in await self._store.finished_before(KIND, now - self.keep_ms):
            await self._store.delete(job.id)
            await self._undo(job)
            log.info("the export %s was removed after its time", job.id)
        for path in list(self._writer.folder().iterdir()):
            if path.suffix == ".zip" and not await self._store.exists(path.stem):
                path.unlink(missing_ok=True)

    async def forget(self, workspace: str) -> int:
        """Remove all exports of a workspace, for one of them may hold who is erased; count them."""
        gone = 0
        while found := await self._store.of_workspace(workspace, KIND):
            for job in found:
                assert self.jobs is not None  # noqa: S101 - set where the parts are joined
                await self.jobs.delete(job)
                gone += 1
        return gone


def allowed(metadata: Metadata, who: Principal) -> None:
    """Raise ``missing_ability`` for a member who is neither owner nor admin.

    Who is no member has a role by the scope, which is ``admin``.
    """
    if metadata.standing(who).role not in {Role.OWNER, Role.ADMIN}:
        raise ApiError("missing_ability", "This needs the role owner or admin.")


def check_person(contact: str) -> str:
    """Return the address of a person; raise ``InvalidJid``, or ``invalid_value`` for a group's."""
    jid = parse_jid(contact)
    if not jid.endswith(("@s.whatsapp.net", "@lid")):
        raise ApiError("invalid_value", "That is the address of no person.")
    return jid
