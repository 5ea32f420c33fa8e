"""What the library does to those who use it plainly, and does not do to us. See docs/engine.md."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sessions.provider.neonize import codes
from tests.loopback import protobuf
from tests.loopback.contact import Contact
from tests.loopback.phone import Phone
from tests.loopback.server import LoopbackWhatsApp
from tests.unit.sessions.provider.neonize.core_process import CoreProcess, Json

ALICE = "5511999990001@s.whatsapp.net"
ALICE_LID = "200000000000002@lid"
CALLS: dict[str, list[Json]] = {
    "send": [ALICE, "x"],
    "mark_read": [ALICE, ALICE, ["A"]],
    "show_typing": [ALICE],
    "show_available": [],
    "pn_from_lid": [ALICE_LID],
    "ask_about": ["+5511999990001"],
    "delete": [ALICE, "A"],
    "set_disappearing": [ALICE, 60],
    "logout": [],
    "pairing_code": ["5511999990001"],
}
#: waE2E.Message.protocolMessage, and in it key and ephemeralExpiration.
PROTOCOL, KEY, EXPIRATION = 12, 1, 4
#: waCommon.MessageKey
FROM_ME, PARTICIPANT = 2, 4


@pytest.fixture
async def whatsapp() -> AsyncIterator[LoopbackWhatsApp]:
    """A started server."""
    async with LoopbackWhatsApp() as server:
        yield server


@pytest.fixture
def phone(whatsapp: LoopbackWhatsApp) -> Phone:
    """The account's phone, nothing linked."""
    return whatsapp.phone("5511900000001", lid="100000000000001")


@pytest.fixture
def alice(whatsapp: LoopbackWhatsApp) -> Contact:
    """Somebody to talk to."""
    return whatsapp.contact("5511999990001", lid="200000000000002", name="Alice")


@pytest.fixture
async def core(whatsapp: LoopbackWhatsApp, tmp_path: Path) -> AsyncIterator[CoreProcess]:
    """A process with client ``a`` of session ``s1``, which was never started."""
    port, root_key = whatsapp.worker_command()[-3::2]
    async with CoreProcess.running(int(port), bytes.fromhex(root_key)) as process:
        await process.ask("make", name="a", session="s1", store=str(tmp_path))
        yield process


@pytest.fixture
async def connected(core: CoreProcess, phone: Phone) -> CoreProcess:
    """The same, paired and connected."""
    await core.call("start")
    await phone.scan(await core.ask("event", name="a", code=codes.QR_CODE))
    await core.ask("event", name="a", code=codes.CONNECTED)
    await phone.connected()
    return core


@contextlib.asynccontextmanager
async def silence() -> AsyncIterator[int]:
    """A port that accepts connections and says nothing."""
    callers: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(lambda _, w: callers.append(w), "127.0.0.1") as server:
        yield server.sockets[0].getsockname()[1]
        for caller in callers:
            caller.close()
            await asyncio.gather(caller.wait_closed(), return_exceptions=True)


@pytest.mark.parametrize("method", CALLS)
async def test_before_the_start_every_call_is_refused(core: CoreProcess, method: str) -> None:
    """Some of them would end the process."""
    assert await core.call(method, *CALLS[method]) == "refused"


async def test_while_it_pairs_only_a_code_can_be_asked_for(core: CoreProcess) -> None:
    """The library's LID map would end the process, as long as nobody is logged in."""
    await core.call("start")
    await core.ask("event", name="a", code=codes.QR_CODE)
    outcomes = {method: await core.call(method, *CALLS[method]) for method in CALLS}
    assert len(outcomes.pop("pairing_code")) == len("ABCD-EFGH")
    assert set(outcomes.values()) == {"refused"}


async def test_after_a_stop_every_call_is_refused(connected: CoreProcess) -> None:
    """As after a start that failed; and the client can be started again."""
    assert await connected.call("disconnect") == "True"
    assert await connected.call("stop", 10) == "True"
    assert await connected.call("join", 10) == "True"
    assert {await connected.call(method, *CALLS[method]) for method in CALLS} == {"refused"}
    assert await connected.call("disconnect") == "False"
    await connected.call("start")
    assert await connected.ask("count", name="a", code=codes.CONNECTED, at_least=2) == 2


@pytest.mark.parametrize("method", [*CALLS, "disconnect"])
async def test_a_call_waits_while_a_client_starts_or_stops(core: CoreProcess, method: str) -> None:
    """It would read Go's maps while they are written: that ends the process."""
    assert await core.ask("hold", how="write")
    arguments = CALLS.get(method, [])
    assert await core.ask("is_held_up", name="a", method=method, arguments=arguments)
    assert await core.ask("release", how="write") == "released"


async def test_a_stop_waits_for_calls(connected: CoreProcess) -> None:
    """It writes Go's maps; in vain it says so."""
    assert await connected.ask("hold", how="read")
    assert await connected.call("stop", 0.1) == "False"
    await connected.ask("release", how="read")
    assert await connected.call("stop", 10) == "True"


async def test_starts_go_one_after_the_other(tmp_path: Path) -> None:
    """A start that hangs is alone in Go until it is given up; calls it lets in by and by."""
    async with silence() as port, CoreProcess.running(port) as core:
        for name in ("a", "b"):
            store = tmp_path / name
            store.mkdir()
            await core.ask("make", name=name, session=name, store=str(store))
        await core.call("start", name="a")
        assert await core.ask("event", name="a", code=codes.ENTERED) == ""
        assert await core.ask("is_held_up", name="a", method="disconnect", arguments=[])
        await core.call("relax", name="a")
        assert await core.call("disconnect", name="a") == "False"
        await core.call("start", name="b")
        assert await core.ask("event", name="b", code=codes.ENTERED, seconds=0.5) is None
        await core.call("abandon", name="a")
        assert await core.ask("event", name="b", code=codes.ENTERED) == ""


async def test_two_clients_of_one_session_never_run(
    connected: CoreProcess, phone: Phone, alice: Contact, tmp_path: Path
) -> None:
    """The second is refused; collected, it does not stop the first, which has the same name."""
    await connected.ask("make", name="second", session="s1", store=str(tmp_path))
    assert await connected.call("start", name="second") == "refused"
    await connected.ask("drop", name="second")
    await alice.send_text(phone, "still there?")
    assert await connected.ask("count", name="a", code=codes.MESSAGE, at_least=1) == 1
    assert await connected.call("send", ALICE, "yes") != "refused"


async def test_the_library_is_quiet(connected: CoreProcess, phone: Phone, alice: Contact) -> None:
    """What it logs crosses into Python line by line, and costs more than the messages."""
    await phone.deliver(alice.encrypt_texts(phone, map(str, range(100))))
    assert await connected.ask("count", name="a", code=codes.MESSAGE, at_least=100) == 100
    assert await connected.ask("logged") <= 5


async def test_the_store_has_a_write_ahead_log(connected: CoreProcess, tmp_path: Path) -> None:
    """The library has no setting for it, and is many times slower without."""
    with contextlib.closing(sqlite3.connect(tmp_path / "whatsapp.db")) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_what_we_sent_is_deleted_as_ours(connected: CoreProcess, alice: Contact) -> None:
    """With the LID as sender it would be an admin's deletion, which does nothing."""
    wa_id = await connected.call("send", ALICE, "oops")
    assert wa_id == (await alice.next_message()).wa_id
    await connected.call("delete", ALICE, wa_id)
    key = protobuf.decode((await alice.next_message()).payload).message(PROTOCOL).message(KEY)
    assert (key.integer(FROM_ME), key.text(3), PARTICIPANT in key) == (1, wa_id, False)


async def test_a_disappearing_timer_is_in_seconds(connected: CoreProcess, alice: Contact) -> None:
    """The library's own unit would make every timer "off"."""
    await connected.call("set_disappearing", ALICE, 86_400)
    told = protobuf.decode((await alice.next_message()).payload).message(PROTOCOL)
    assert told.integer(EXPIRATION) == 86_400
