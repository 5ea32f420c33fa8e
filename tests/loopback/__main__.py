"""``python -m tests.loopback``: a loopback WhatsApp with one phone and one contact, driven by lines.

It prints one JSON line with the workers' command, then answers each line on stdin, a JSON object
with ``do``, by one JSON line. For tests that have no event loop, and for people who want to try.

    {"do": "scan", "qr": "…"}           the phone scans a code and is linked
    {"do": "write", "text": "…"}        Alice writes to the account
    {"do": "next"}                      waits for what the account writes to Alice
    {"do": "receipt", "id": "…", "kind": "delivered" | "read"}
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from tests.loopback.contact import Contact
from tests.loopback.phone import Phone
from tests.loopback.server import LoopbackWhatsApp

Order = dict[str, str]


async def main() -> None:
    """Serve until stdin ends."""
    async with LoopbackWhatsApp() as whatsapp:
        alice = whatsapp.contact("5511999990001", lid="200000000000002", name="Alice")
        phone = whatsapp.phone("5511900000001", lid="100000000000001")
        _say({"worker": whatsapp.worker_command()})
        orders = _orders(alice, phone)
        while line := await asyncio.to_thread(sys.stdin.readline):
            order: Order = json.loads(line)
            _say(await orders[order["do"]](order))


def _orders(alice: Contact, phone: Phone) -> dict[str, Callable[[Order], Awaitable[Any]]]:
    async def scan(order: Order) -> dict[str, str]:
        await phone.scan(order["qr"])
        await phone.connected()
        return {}

    async def write(order: Order) -> dict[str, str]:
        return {"id": await alice.send_text(phone, order["text"])}

    async def following(_: Order) -> dict[str, str]:
        message = await alice.next_message()
        return {"id": message.wa_id, "text": message.text}

    async def receipt(order: Order) -> dict[str, str]:
        kind: Literal["read", "delivered"] = "read" if order["kind"] == "read" else "delivered"
        await alice.receipt(phone, order["id"], kind=kind)
        return {}

    return {"scan": scan, "write": write, "next": following, "receipt": receipt}


def _say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
