from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from daemon.services.jobs import TRIES, Doer, JobFailed, Jobs, TryLater, Work, nothing
from daemon.storage.database import Database
from daemon.storage.jobs import Job, JobStore
from daemon.storage.workspaces import WorkspaceStore
from tests.support.waiting import eventually
from tests.unit.daemon.manual_clock import ManualClock

Do = Callable[[Work], Awaitable[dict[str, Any]]]


@pytest.fixture
def store(database: Database, workspaces: WorkspaceStore, clock: ManualClock) -> JobStore:
    """Return the jobs of a database in which `acme` and `beta` are."""
    return JobStore(database, clock)


@asynccontextmanager
async def doing(jobs: Jobs) -> AsyncIterator[None]:
    """Run the jobs for as long as the block lasts: a life of the daemon."""
    running = asyncio.ensure_future(jobs.run())
    try:
        yield
    finally:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def ended(store: JobStore, job: Job) -> Job:
    """Wait until the job is done or failed; return it."""

    async def look() -> Job | None:
        found = await store.find(job.workspace, job.kind, job.id)
        return found if found and found.state in {"done", "failed"} else None

    found: Job = await eventually(look)
    return found


async def test_jobs_are_done_in_their_order(store: JobStore) -> None:
    """One at a time, each with its report."""
    order: list[int] = []

    async def do(work: Work) -> dict[str, Any]:
        order.append(work.job.request["n"])
        await work.at(50)
        await asyncio.sleep(0)
        order.append(work.job.request["n"])
        return {"made": work.job.request["n"]}

    jobs = Jobs(store, {"count": Doer(do, nothing)})
    made = [await jobs.add("acme", "count", "ana", {"n": n}) for n in range(3)]
    async with doing(jobs):
        made = [await ended(store, job) for job in made]
    assert order == [0, 0, 1, 1, 2, 2]
    assert [(job.state, job.progress, job.report) for job in made] == [
        ("done", 100, {"made": n}) for n in range(3)
    ]


async def test_a_job_that_was_cut_off_is_begun_anew(store: JobStore) -> None:
    """The next life finds it, with what was written down of it."""
    started, lives = asyncio.Event(), 0

    async def do(work: Work) -> dict[str, Any]:
        nonlocal lives
        lives += 1
        if lives == 1:
            await work.at(40, report={"so far": 1})
            started.set()
            await asyncio.Event().wait()
        return work.job.report | {"life": lives}

    doers = {"long": Doer(do, nothing)}
    jobs = Jobs(store, doers)
    job = await jobs.add("acme", "long", "ana", {})
    async with doing(jobs):
        await started.wait()
    found = await store.find("acme", "long", job.id)
    assert found is not None
    assert (found.state, found.progress) == ("running", 40)
    async with doing(Jobs(store, doers)):
        done = await ended(store, job)
    assert (done.state, done.tries, done.report) == ("done", 2, {"so far": 1, "life": 2})


async def test_a_job_that_ends_the_daemon_ends_it_some_times_only(store: JobStore) -> None:
    """After that it has failed, and the others go on."""
    job = await store.add("acme", "bad", "ana", {})
    await store.save(job, state="running", tries=TRIES)
    other = await store.add("acme", "good", "ana", {})

    async def do(_: Work) -> dict[str, Any]:
        return {}

    doer = Doer(do, nothing)
    async with doing(Jobs(store, {"bad": doer, "good": doer})):
        assert (await ended(store, other)).state == "done"
    assert (await ended(store, job)).code == "internal_error"


@pytest.mark.parametrize(
    ("error", "code", "detail"),
    [
        (JobFailed("storage_full", "The disk is full."), "storage_full", "The disk is full."),
        (ValueError("a secret"), "internal_error", "Something went wrong"),
    ],
)
async def test_a_failure_is_told_and_undone(
    store: JobStore, error: Exception, code: str, detail: str
) -> None:
    """In the sentence that was meant for it; what nobody expected says nothing of itself."""
    undone: list[str] = []

    async def do(_: Work) -> dict[str, Any]:
        raise error

    async def undo(job: Job) -> None:
        undone.append(job.id)

    jobs = Jobs(store, {"bad": Doer(do, undo)})
    job = await jobs.add("acme", "bad", "ana", {})
    async with doing(jobs):
        found = await ended(store, job)
    assert found.code == code
    assert (found.detail or "").startswith(detail)
    assert "secret" not in (found.detail or "")
    assert undone == [job.id]


async def test_what_cannot_be_done_now_waits_its_time(store: JobStore, clock: ManualClock) -> None:
    """Says why, holds nobody up, and does not count as a failure."""
    can = False

    async def do(_: Work) -> dict[str, Any]:
        if not can:
            raise TryLater("Supabase does not answer.", 60)
        return {}

    async def at_once(_: Work) -> dict[str, Any]:
        return {}

    jobs = Jobs(store, {"far": Doer(do, nothing), "near": Doer(at_once, nothing)})
    far = await jobs.add("acme", "far", "ana", {})
    async with doing(jobs):
        await ended(store, await jobs.add("acme", "near", "ana", {}))
        found = await store.find("acme", "far", far.id)
        assert found is not None
        assert (found.state, found.tries, found.detail) == (
            "waiting",
            0,
            "Supabase does not answer.",
        )
        can = True
        clock.forward(61)
        await ended(store, await jobs.add("acme", "near", "ana", {}))
        assert (await ended(store, far)).detail is None


async def test_a_job_that_is_deleted_while_it_runs_ends(store: JobStore) -> None:
    """At its next step; what it made is undone, and no row comes back."""
    begun, go_on, undone = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def do(work: Work) -> dict[str, Any]:
        begun.set()
        await go_on.wait()
        await work.at(10)
        raise AssertionError("it went on")

    async def undo(_: Job) -> None:
        undone.set()

    jobs = Jobs(store, {"long": Doer(do, undo)})
    job = await jobs.add("acme", "long", "ana", {})
    async with doing(jobs):
        await begun.wait()
        await jobs.delete(job)
        undone.clear()
        go_on.set()
        await undone.wait()
    assert await store.find("acme", "long", job.id) is None


async def test_workspaces_see_their_own_jobs(store: JobStore) -> None:
    """Newest first, and no other's."""
    mine = [await store.add("acme", "x", "ana", {"n": n}) for n in range(3)]
    other = await store.add("beta", "x", "bia", {})
    assert [job.id for job in await store.of_workspace("acme", "x")] == [j.id for j in mine[::-1]]
    assert await store.find("acme", "x", other.id) is None
    assert await store.find("acme", "y", mine[0].id) is None
    assert await store.count_open("acme", "x") == 3
