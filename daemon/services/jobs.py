"""Does the jobs of all workspaces, one at a time, oldest first, until cancelled.

A job that a stop or a crash cut off is begun anew at the next start, for as many times as
``TRIES``: what ends the daemon itself must not end it for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from daemon.errors import ApiError
from daemon.storage.failures import StorageError
from daemon.storage.jobs import Job, JobStore
from sessions.errors import EngineError

log = logging.getLogger("zapd.jobs")

TRIES = 5
STORAGE_PAUSE = 5.0  # seconds before a database that cannot be written is asked again
TEND_SECONDS = 3600.0


class JobFailed(Exception):
    """The job cannot be done; ``code`` and the sentence are for who asked for it."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class TryLater(Exception):
    """The job cannot be done now; it waits for so many seconds, and the sentence is told."""

    def __init__(self, sentence: str, seconds: float) -> None:
        super().__init__(sentence)
        self.seconds = seconds


class Dropped(Exception):
    """The job was deleted while it ran."""


class Work:
    """What a job's doer is given: the job, and how to tell how far it is."""

    def __init__(self, jobs: JobStore, job: Job) -> None:
        self._jobs = jobs
        self.job = job
        self.dropped = False

    async def at(self, hundredths: int, **changes: Any) -> None:  # noqa: ANN401 - fields of a job
        """Write how far it is, with the report or the request as they are by now.

        Raises ``Dropped``, whatever was to be written, when the job was deleted meanwhile.
        """
        self.check()
        if changes or hundredths != self.job.progress:
            self.job = await self._jobs.save(self.job, progress=hundredths, **changes)

    def check(self) -> None:
        """Raise ``Dropped`` when the job was deleted meanwhile."""
        if self.dropped:
            raise Dropped


class Doer(NamedTuple):
    """How a kind of job is done.

    ``do`` returns the report; it may be called again after it was cut off. ``undo`` removes what
    a job left that failed or was deleted; it must not raise.
    """

    do: Callable[[Work], Awaitable[dict[str, Any]]]
    undo: Callable[[Job], Awaitable[None]]


async def nothing(_: Job) -> None:
    """Undo nothing."""


class Jobs:
    """The queue, and who does it. The owner runs :meth:`run`."""

    def __init__(
        self,
        store: JobStore,
        doers: Mapping[str, Doer],
        tend: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """``tend`` is called at the start and each hour: for what is to be forgotten by then."""
        self.store = store
        self._doers = doers
        self._tend = tend
        self._wake = asyncio.Event()
        self._work: Work | None = None

    async def add(self, workspace: str, kind: str, actor: str, request: dict[str, Any]) -> Job:
        """Write a job; it is done when those before it are."""
        job = await self.store.add(workspace, kind, actor, request)
        self._wake.set()
        return job

    async def delete(self, job: Job) -> None:
        """Forget a job, with what it made; one that runs ends at its next step."""
        if self._work is not None and self._work.job.id == job.id:
            self._work.dropped = True
        await self.store.delete(job.id)
        await self._doers[job.kind].undo(job)

    async def run(self) -> None:
        """Do what there is to do, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            if self._tend is not None:
                tasks.create_task(self._tending(self._tend))
            while True:
                try:
                    job = await self.store.next()
                    if job is not None:
                        await self._one(job)
                        continue
                    seconds = await self.store.seconds()
                except StorageError as error:
                    log.warning("jobs wait, for the database cannot be used: %s", error)
                    seconds = STORAGE_PAUSE
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._wake.wait()
                self._wake.clear()

    async def _tending(self, tend: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await tend()
            except (StorageError, OSError) as error:
                log.warning("old exports are not removed for now: %s", error)
            await asyncio.sleep(TEND_SECONDS)

    async def _one(self, job: Job) -> None:
        doer = self._doers.get(job.kind)
        if doer is None or job.tries >= TRIES:
            sentence = "It was begun too often and never ended; see the daemon's log."
            await self.store.save(job, state="failed", code="internal_error", detail=sentence)
            return
        job = await self.store.save(job, state="running", tries=job.tries + 1)
        work = self._work = Work(self.store, job)
        try:
            report = await doer.do(work)
            work.check()
            await self.store.save(
                work.job, state="done", progress=100, report=report, code=None, detail=None
            )
            log.info("%s %s is done", job.kind, job.id)
        except Dropped:
            await doer.undo(job)
        except TryLater as later:
            due_at = self.store.now_ms() + round(later.seconds * 1000)
            told = {"code": None, "detail": str(later), "tries": job.tries - 1}
            await self.store.save(work.job, state="waiting", due_at=due_at, **told)
            return
        except StorageError:
            # What the database refuses cannot be written down either: full, or held by another.
            await self.store.save(work.job, state="waiting", tries=job.tries - 1)
            raise
        except Exception as error:  # noqa: BLE001 - one job's trouble must not end the others
            await doer.undo(job)
            await self.store.save(work.job, state="failed", **_told(error))
        finally:
            self._work = None


def _told(error: Exception) -> dict[str, Any]:
    """Return what is written down of a failure."""
    if isinstance(error, JobFailed | ApiError | EngineError):
        return {"code": error.code, "detail": str(error)}
    log.error("a job failed", exc_info=error)
    return {
        "code": "internal_error",
        "detail": "Something went wrong in the daemon; its log says more.",
    }
