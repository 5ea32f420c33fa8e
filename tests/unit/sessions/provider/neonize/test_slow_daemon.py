"""A daemon that reads slowly: the worker holds back, and the journal has what waits."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sessions import events as e
from tests.loopback.server import LoopbackWhatsApp
from tests.unit.sessions.provider.neonize.test_survival import journaled, messages
from tests.unit.sessions.provider.neonize.worker import Worker

BURST = 2_000
LONG = "x" * 1_000
#: Half of them are far more than what the system's and our own buffers hold.
MANY = BURST // 2


async def test_what_nobody_takes_is_not_decoded(tmp_path: Path) -> None:
    """Acknowledged, journaled and held back; taken later it is whole and in order."""
    async with LoopbackWhatsApp() as whatsapp:
        phone = whatsapp.phone("5511900000001", lid="100000000000001")
        alice = whatsapp.contact("5511999990001", lid="200000000000002", name="Alice")
        module = "tests.unit.sessions.provider.neonize.hasty_worker"
        bounds = [
            *("--tune", f"sessions.worker.host.MOST_UNSENT={64 * 1024}"),
            *("--tune", f"sessions.worker.host.LEAST_UNSENT={16 * 1024}"),
        ]
        where = whatsapp.worker_command()[2:]
        async with Worker.running([sys.executable, "-m", module, *bounds, *where]) as worker:
            await worker.start(tmp_path)
            await phone.scan((await worker.event(e.QrShown)).qr)
            await phone.connected()
            await worker.event(e.Connected)
            worker.hears.clear()
            nodes = alice.encrypt_texts(phone, (f"{n} {LONG}" for n in range(BURST)))
            await phone.deliver(nodes)
            await phone.until(lambda: {node.text("id") for node in nodes} <= phone.acked)
            await worker.is_idle()
            assert len(journaled(tmp_path)) == BURST
            worker.ping()
            await worker.is_idle()
            worker.hears.set()
            numbers = [int(_text(await worker.event(e.MessageReceived))) for _ in range(BURST)]
            assert numbers == list(range(BURST))
            assert worker.pongs[0] < MANY
            assert messages(worker) == []
            assert await worker.end() == 0


def _text(message: e.MessageReceived) -> str:
    return str(json.loads(message.head + b"}")["text"]).split()[0]
