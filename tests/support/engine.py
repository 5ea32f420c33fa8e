"""A session manager with real workers, and time in one scaled unit."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from sessions import commands as c
from sessions.ids import ChatRef, SessionKey
from sessions.keeper import Keeper
from sessions.manager import ManagerSettings, MemorySettings, Ports, SessionManager
from sessions.manager.live import LiveSession
from sessions.models import ProviderName
from sessions.worker.backoff import Backoff
from sessions.worker.process import Limits, worker_environment
from sessions.worker.supervisor import Plan
from tests.support.recorders import (
    Json,
    MemoryJournal,
    MemoryKnownChats,
    MemorySessions,
    RecordingSink,
    SetClock,
)

#: Seconds: the one unit of time. Slow machines set ZAPD_TEST_UNIT higher.
UNIT = float(os.environ.get("ZAPD_TEST_UNIT", "0.1"))
#: How long a condition may take to become true.
PATIENCE = 150 * UNIT

WORKER: Sequence[str] = (sys.executable, "-I", "-m", "sessions.worker")
QUICK = Backoff(first=UNIT, longest=UNIT, forgiven_after=100 * UNIT)
LIMITS = Limits(ready=PATIENCE, heartbeat=2 * UNIT, hung=PATIENCE, drain=PATIENCE)
SCRIPTS = Path(__file__).parent / "workers"


def environment() -> dict[str, str]:
    """Return a worker's environment; coverage is let through."""
    own = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    return worker_environment(os.environ) | own


def misbehaving(how: str) -> Sequence[str]:
    """Return the command of a worker that misbehaves."""
    return (sys.executable, "-I", str(SCRIPTS / "misbehaving.py"), how)


def plan(command: Sequence[str] = WORKER, **changes: Json) -> Plan:
    """Return a plan for quick tests."""
    return Plan(command, environment(), LIMITS, QUICK)._replace(**changes)


async def until(condition: Callable[[], object], what: str = "condition") -> None:
    """Wait until the condition holds; fail after ``PATIENCE``."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(UNIT / 20)
    except TimeoutError:
        raise AssertionError(f"it never came to this: {what}") from None


async def passes(units: float) -> None:
    """Let time pass: only to show that something does *not* happen."""
    await asyncio.sleep(units * UNIT)


class Engine:
    """A manager and all that it was given."""

    def __init__(
        self,
        stores: Path,
        a_plan: Plan,
        memory: MemorySettings | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        self.clock = SetClock()
        self.sink = RecordingSink()
        self.sessions = MemorySessions()
        self.journal = MemoryJournal()
        self.known = MemoryKnownChats()
        self.settings = ManagerSettings(
            stores=stores, memory=memory or MemorySettings(), send_timeout=PATIENCE
        )
        self.plan = a_plan
        self.keeper = keeper
        self.manager = self.fresh()

    def fresh(self) -> SessionManager:
        """Make a manager, as a restart of the daemon does."""
        ports = Ports(
            clock=self.clock,
            sink=self.sink,
            sessions=self.sessions,
            sends=self.journal,
            known_chats=self.known,
            keeper=self.keeper,
        )
        return SessionManager(self.settings, ports, self.plan)

    def live(self, session: str = "s1", workspace: str = "w") -> LiveSession:
        """Return a session."""
        return self.manager.lifecycle.get(SessionKey(workspace, session))

    async def reaches(self, state: str, session: str = "s1", code: str | None = None) -> None:
        """Wait for the session's state."""
        live = self.live(session)
        await until(
            lambda: live.status.state == state and code in (None, live.status.code),
            f"{session} {state} {code}; it is {live.status}",
        )

    async def orders_done(self) -> None:
        """Wait until every order that was given is carried out."""
        await until(lambda: self.manager.lifecycle.tasks.are_done, "orders")

    async def connected(self, session: str = "s1", workspace: str = "w") -> LiveSession:
        """Make, start and pair a sandbox session; return when it is settled in the pool."""
        lifecycle, key = self.manager.lifecycle, SessionKey(workspace, session)
        live = await lifecycle.create(workspace, session, "", ProviderName.SANDBOX)
        lifecycle.start(live)
        await until(lambda: live.qr is not None, "a code")
        await self.manager.sandbox(key, c.SandboxScan())
        await until(
            lambda: live.is_connected and not self.manager.supervisor.is_alone(key), "settled"
        )
        return live

    async def receive(self, text: str, phone: str = "+5511999990000", session: str = "s1") -> str:
        """Let a contact write; return our id of the message."""
        command = c.SandboxReceive(phone=phone, text=text, name="Ana")
        answer = await self.manager.sandbox(SessionKey("w", session), command)
        assert isinstance(answer, c.Received)
        return answer.id

    def pid(self, session: str = "s1") -> int:
        """Return the process id of the session's worker."""
        key = SessionKey("w", session)
        workers = [w for w in self.manager.supervisor.workers if key in w.sessions]
        return workers[0].process.pid if workers and workers[0].process else 0


@asynccontextmanager
async def running(
    stores: Path,
    a_plan: Plan | None = None,
    memory: MemorySettings | None = None,
    keeper: Keeper | None = None,
) -> AsyncIterator[Engine]:
    """Yield a started engine; close it afterwards."""
    engine = Engine(stores, a_plan or plan(), memory, keeper)
    await engine.manager.start()
    try:
        yield engine
    finally:
        await engine.manager.close()


def chat(jid: str = "5511999990000@s.whatsapp.net", session: str = "s1") -> ChatRef:
    """Return the name of a chat."""
    return ChatRef("w", session, jid)
