"""Erasures: asked for by principals, done as jobs, each with a report that names nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from daemon.auth.principal import Principal
from daemon.errors import ApiError
from daemon.history.port import HistoryFailed
from daemon.services.engine import Engine
from daemon.services.jobs import Doer, JobFailed, Jobs, TryLater, Work, nothing
from daemon.services.metadata import Metadata
from daemon.services.people.addresses import Addresses
from daemon.services.people.copies import set_aside
from daemon.services.people.erasing import Places, SessionEraser, find_in, joined
from daemon.services.people.exports import Exports, allowed, check_person
from daemon.storage.backups import backups
from daemon.storage.failures import StorageError, from_os
from daemon.storage.jobs import Job, JobStore
from sessions.ids import SessionKey, jid_user
from sessions.models import iso

KIND = "erasure"
MOST_OPEN = 100  # erasures of a workspace that wait or run
PAUSE = 60.0  # seconds before what cannot be reached is asked again

STAYS = (
    "What others wrote about the person, and what colleagues wrote of them in other chats' notes.",
    "Everything on the account's phone, on the person's own, and with WhatsApp.",
    "The daemon's log, where it is kept outside the data directory.",
    "Downloaded exports, and copies that clients of the API made.",
)

Elsewhere = Callable[[SessionKey, frozenset[str]], Awaitable[dict[str, int]]]
"""Erases where another system keeps metadata; raises ``TryLater`` while that cannot be reached."""


class Erasures:
    """What principals ask for."""

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        places: Places,
        store: JobStore,
        engine: Engine,
        metadata: Metadata,
        addresses: Addresses,
        exports: Exports,
        *,
        data_dir: Path,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        """``elsewhere``: where metadata is beside the embedded database, None for nowhere."""
        self._places = places
        self._store = store
        self._engine = engine
        self._metadata = metadata
        self._addresses = addresses
        self._exports = exports
        self._data_dir = data_dir
        self._elsewhere = elsewhere
        self.jobs: Jobs | None = None

    @property
    def doer(self) -> Doer:
        """How the jobs are done."""
        return Doer(self._do, nothing)

    # -- what is asked for

    async def create(self, who: Principal, contact: str, session: str | None) -> Job:
        """Ask for an erasure; raise where the principal does not see all that it concerns."""
        allowed(self._metadata, who)
        jid = check_person(contact)
        if session is not None:
            self._engine.session(who, session)
        elif who.sessions is not None:
            raise ApiError("missing_ability", "You see only some sessions: name one of them.")
        found = [session] if session is not None else [s.id for s in self._engine.sessions(who)]
        for live in self._engine.sessions(who):
            if live.id in found and live.jid == jid:
                raise ApiError(
                    "invalid_value",
                    f"That is the account of session {live.id} itself.",
                    user_action="Delete the session: all that it had goes with it.",
                )
        if await self._store.count_open(who.workspace, KIND) >= MOST_OPEN:
            raise ApiError("limit_reached", f"{MOST_OPEN} erasures wait already.")
        assert self.jobs is not None  # noqa: S101 - set where the parts are joined
        request = {"sessions": found, "contact": jid}
        return await self.jobs.add(who.workspace, KIND, who.subject, request)

    async def all(self, who: Principal) -> list[Job]:
        """Return the workspace's erasures, newest first."""
        allowed(self._metadata, who)
        found = await self._store.of_workspace(who.workspace, KIND)
        return [job for job in found if _visible(who, job)]

    async def get(self, who: Principal, id: str) -> Job:
        """Return one; raise ``erasure_not_found``."""
        allowed(self._metadata, who)
        job = await self._store.find(who.workspace, KIND, id)
        if job is None or not _visible(who, job):
            raise ApiError("erasure_not_found")
        return job

    # -- the work

    async def _do(self, work: Work) -> dict[str, Any]:
        if "contact" not in work.job.request:  # cut off after the contact was forgotten
            await self._places.database.scrub()
            return work.job.report
        try:
            users = await self._everywhere(work)
            await self._forget_contact(work)
            await self._places.database.scrub()
            left = await asyncio.to_thread(find_in, self._data_dir, users)
        except HistoryFailed as error:
            raise TryLater(f"History cannot be written: {error}", PAUSE) from error
        except OSError as error:
            failure = from_os(error, self._data_dir)
            raise JobFailed(failure.code, str(failure)) from error
        except StorageError as error:
            raise TryLater(str(error), PAUSE) from error
        return work.job.report | {"found_still": _named(left)}

    async def _everywhere(self, work: Work) -> list[bytes]:
        """Erase in each session; return what the addresses are found by."""
        workspace, request = work.job.workspace, work.job.request
        exports = await self._exports.forget(workspace)
        erased = joined(work.job.report.get("erased", {}), {"exports": {"exports": exports}})
        users: set[bytes] = set()
        for place, session in enumerate(request["sessions"]):
            key = SessionKey(workspace, session)
            jids = await self._people(work, key)
            users |= {jid_user(jid).encode() for jid in jids}
            erased = joined(erased, await SessionEraser(self._places, key, jids).run())
            if self._elsewhere is not None:
                erased = joined(erased, {"supabase": await self._elsewhere(key, jids)})
            done = 5 + 85 * (place + 1) // len(request["sessions"])
            await work.at(done, report={"erased": erased})
        return sorted(users)

    async def _people(self, work: Work, key: SessionKey) -> frozenset[str]:
        """Return the person's addresses, written down before what tells them together is erased."""
        request = work.job.request
        known: dict[str, list[str]] = request.get("people", {})
        if key.session not in known:
            folder = self._places.manager.lifecycle.folders.of(key)
            found = await self._addresses.of(key, request["contact"], folder)
            known = known | {key.session: sorted(found)}
            await work.at(work.job.progress, request=request | {"people": known})
        return frozenset(known[key.session])

    async def _forget_contact(self, work: Work) -> None:
        """Take the contact out of this job, and of others that failed to erase it."""
        workspace, request = work.job.workspace, work.job.request
        copies = await asyncio.to_thread(set_aside, self._data_dir)
        made = await backups(self._places.database)
        report = work.job.report | {
            "sessions": request["sessions"],
            "stays": list(STAYS),
            "backups": [{"file": each.file, "made_at": iso(each.made_at)} for each in made],
            "copies": [copy._asdict() for copy in copies],
        }
        for job in await self._store.of_workspace(workspace, KIND):
            if job.state == "failed" and job.request.get("contact") == request["contact"]:
                await self._store.save(job, request={"sessions": job.request["sessions"]})
        await work.at(95, request={"sessions": request["sessions"]}, report=report)


def _named(left: dict[str, int]) -> list[dict[str, Any]]:
    return [{"file": file, "times": times} for file, times in left.items()]


def _visible(who: Principal, job: Job) -> bool:
    return who.sessions is None or who.sessions.issuperset(job.request["sessions"])
