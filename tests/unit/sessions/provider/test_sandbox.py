from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import pytest
import pytest_asyncio

from sessions import commands as c, events as e
from sessions.ids import SessionKey
from sessions.provider.sandbox import Pace, SandboxProvider, open_session
from tests.support.engine import UNIT, passes, until

KEY = SessionKey("w", "s1")
PACE = Pace(codes=(3 * UNIT, UNIT, UNIT), tick=UNIT / 2, drop=UNIT)
PHONE = "+5511999990000"
EventT = TypeVar("EventT")


class Phone:
    """A sandbox and what it told."""

    def __init__(self, store: Path, key: SessionKey = KEY, pace: Pace = PACE) -> None:
        self.events: list[e.AnyEvent] = []
        self.provider = SandboxProvider(key, str(store), self.emit, pace)

    def emit(self, event: e.AnyEvent, mark: int = 0) -> None:
        """Keep an event; a sandbox has nothing to be confirmed."""
        assert mark == 0
        self.events.append(event)

    def of(self, kind: type[EventT]) -> list[EventT]:
        """Return the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    async def receive(self, text: str = "hi", name: str | None = "Ana") -> c.AnyAnswer:
        """Let a contact write."""
        return await self.provider.execute(c.SandboxReceive(phone=PHONE, text=text, name=name))

    async def paired(self) -> Phone:
        """Start and scan."""
        await self.provider.start()
        await until(lambda: self.of(e.QrShown))
        assert await self.provider.execute(c.SandboxScan()) == c.Done()
        return self


@pytest_asyncio.fixture
async def phone(tmp_path: Path) -> AsyncIterator[Phone]:
    """Yield a phone that is hung up in the end."""
    made = Phone(tmp_path)
    yield made
    await made.provider.stop()


async def test_codes_rotate_until_the_pairing_expires(phone: Phone) -> None:
    """Each is another code with its own end; after the last, pairing is over."""
    await phone.provider.start()
    await until(lambda: phone.of(e.Troubled))
    assert isinstance(phone.events[0], e.PairingStarted)
    codes = phone.of(e.QrShown)
    assert len(codes) == len({code.qr for code in codes}) == 3
    assert [code.qr.split(",")[0] for code in codes] == ["SANDBOX"] * 3
    assert codes[0].expires_at < codes[1].expires_at < codes[2].expires_at
    assert [e.Troubled(code="pairing_expired")] == phone.of(e.Troubled)
    late = await phone.provider.execute(c.SandboxScan())
    assert isinstance(late, c.Refused)
    assert late.kind == "not_pairing"


async def test_a_scan_pairs_and_connects(phone: Phone) -> None:
    """In WhatsApp's order; the codes stop."""
    await phone.paired()
    kinds = [type(event) for event in phone.events]
    assert [e.Paired, e.Connecting, e.Connected, e.HistoryProgress] == kinds[2:]
    await passes(5)
    assert len(kinds) == len(phone.events)


async def test_a_pairing_code_is_for_a_phone_that_pairs(phone: Phone) -> None:
    """Shown as an event and answered; refused once paired."""
    await phone.provider.start()
    code = await phone.provider.execute(c.RequestCode(phone="5511999990000"))
    assert isinstance(code, c.Code)
    assert len(code.code) == 9
    assert [code.code] == [shown.code for shown in phone.of(e.CodeShown)]
    await phone.paired()
    assert isinstance(await phone.provider.execute(c.RequestCode(phone="1")), c.Refused)


async def test_without_a_line_everything_is_refused(phone: Phone) -> None:
    """As not connected: it was not tried."""
    await phone.provider.start()
    commands: list[c.AnyCommand] = [
        c.SendText(chat="c", text="t"),
        c.MarkRead(chat="c", sender="s", wa_ids=()),
        c.SetTyping(chat="c", is_typing=True),
        c.SandboxReceive(phone=PHONE, text="t"),
        c.SandboxDrop(),
        c.SandboxTraffic(messages_per_minute=1),
        c.SandboxLogout(),
        c.Logout(),
    ]
    for command in commands:
        answer = await phone.provider.execute(command)
        assert isinstance(answer, c.Refused)
        assert answer.kind == "session_not_connected"
    unknown = await phone.provider.execute(c.Stop())
    assert isinstance(unknown, c.Refused)
    assert unknown.kind == "unsupported"


async def test_a_contact_types_then_writes(phone: Phone) -> None:
    """And is known by name from then on, where a name is given."""
    await phone.paired()
    phone.events.clear()
    answer = await phone.receive()
    assert [e.ContactLearned, e.TypingChanged, e.TypingChanged, e.MessageReceived] == [
        type(event) for event in phone.events
    ]
    (message,) = phone.of(e.MessageReceived)
    assert c.Received(id=message.id) == answer
    assert (message.chat_name, message.counts, message.source) == ("Ana", True, "live")
    phone.events.clear()
    await phone.receive(name=None)
    assert phone.of(e.ContactLearned) == []


async def test_a_send_gets_its_ticks(phone: Phone) -> None:
    """Delivered, then read, by the id that was answered."""
    await phone.paired()
    sent = await phone.provider.execute(c.SendText(chat="1@s.whatsapp.net", text="t"))
    assert isinstance(sent, c.Sent)
    await until(lambda: len(phone.of(e.ReceiptReceived)) == 2)
    told = [(r.wa_ids, r.ack) for r in phone.of(e.ReceiptReceived)]
    assert [((sent.wa_id,), 2), ((sent.wa_id,), 3)] == told
    marked = await phone.provider.execute(c.MarkRead(chat="c", sender="s", wa_ids=("x",)))
    typed = await phone.provider.execute(c.SetTyping(chat="c", is_typing=True))
    assert marked == typed == c.Done()


async def test_a_dropped_line_comes_back(phone: Phone) -> None:
    """Without being asked to."""
    await phone.paired()
    phone.events.clear()
    await phone.provider.execute(c.SandboxDrop())
    assert isinstance(await phone.receive(), c.Refused)
    await until(lambda: phone.of(e.Connected))
    assert [e.Troubled(code="line_lost"), e.Connecting()] == phone.events[:2]
    assert isinstance(await phone.receive(), c.Received)


@pytest.mark.parametrize(
    ("command", "code"),
    [(c.SandboxLogout(), "unlinked_by_phone"), (c.Logout(), "logged_out")],
)
async def test_a_logout_forgets_the_pairing(
    phone: Phone, tmp_path: Path, command: c.AnyCommand, code: str
) -> None:
    """The next life shows codes again; nothing is told after the end."""
    await phone.paired()
    await phone.provider.execute(c.SendText(chat="1@s.whatsapp.net", text="t"))
    assert await phone.provider.execute(command) == c.Done()
    assert phone.events[-1] == e.Troubled(code=code)
    await passes(2)
    assert phone.events[-1] == e.Troubled(code=code)
    again = Phone(tmp_path)
    await again.provider.start()
    assert isinstance(again.events[0], e.PairingStarted)
    await again.provider.stop()


async def test_a_pairing_outlives_the_process(phone: Phone, tmp_path: Path) -> None:
    """The next life connects at once, as the same number."""
    await phone.paired()
    await phone.provider.stop()
    again = Phone(tmp_path)
    await again.provider.start()
    assert phone.of(e.Connected) == again.of(e.Connected)
    assert again.of(e.PairingStarted) == []


async def test_ids_never_repeat(tmp_path: Path) -> None:
    """Not over lives, whether one ended well, after a logout or by a kill."""
    seen: list[str] = []
    for turn in range(4):
        phone = Phone(tmp_path)
        await phone.provider.start()
        if phone.of(e.PairingStarted):
            await phone.paired()
        for _ in range(1000 if turn == 1 else 3):
            sent = await phone.provider.execute(c.SendText(chat="c", text="t"))
            assert isinstance(sent, c.Sent)
            seen.append(sent.wa_id)
        if turn == 2:
            await phone.provider.execute(c.Logout())
        await phone.provider.stop()
    assert len(seen) == len(set(seen))


async def test_the_same_commands_give_the_same_ids(tmp_path: Path) -> None:
    """Two phones of one name play alike; another session is another number."""
    lives = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        phone = await Phone(tmp_path / name).paired()
        await phone.receive("a")
        await phone.receive("b")
        lives.append([m.id for m in phone.of(e.MessageReceived)])
        lives[-1] += [p.jid for p in phone.of(e.Paired)] + [q.qr for q in phone.of(e.QrShown)]
        await phone.provider.stop()
    assert lives[0] == lives[1]
    (tmp_path / "other").mkdir()
    other = await Phone(tmp_path / "other", SessionKey("w", "s2")).paired()
    assert other.of(e.Paired)[0].jid not in lives[0]
    await other.provider.stop()


async def test_it_is_silent_unless_told_otherwise(phone: Phone) -> None:
    """A connected sandbox says nothing by itself."""
    await phone.paired()
    phone.events.clear()
    await passes(3)
    assert phone.events == []


@pytest.mark.parametrize("rate", [600, 60_000])
async def test_traffic_comes_at_its_rate(phone: Phone, rate: int) -> None:
    """On the whole as many as were asked for, from several contacts; 0 and less are silence."""
    await phone.paired()
    await phone.provider.execute(c.SandboxTraffic(messages_per_minute=1))
    begun = asyncio.get_running_loop().time()
    await phone.provider.execute(c.SandboxTraffic(messages_per_minute=rate))
    await passes(10)
    silence = c.SandboxTraffic(messages_per_minute=0 if rate == 600 else -5)
    await phone.provider.execute(silence)
    due = (asyncio.get_running_loop().time() - begun) * rate / 60
    messages = phone.of(e.MessageReceived)
    assert 0.7 * due - 2 <= len(messages) <= due + 1
    assert len({m.sender for m in messages}) > 1
    await passes(2)
    assert messages == phone.of(e.MessageReceived)


@pytest.mark.parametrize("nonsense", ["", "{", "[]", "{}", '{"counter":"x","paired":true}'])
async def test_a_damaged_memory_is_a_new_phone(tmp_path: Path, nonsense: str) -> None:
    """It pairs again rather than fail."""
    (tmp_path / "sandbox.json").write_text(nonsense)
    phone = Phone(tmp_path)
    await phone.provider.start()
    assert isinstance(phone.events[0], e.PairingStarted)
    await phone.provider.stop()


def test_it_is_labelled_and_made_by_a_factory(tmp_path: Path) -> None:
    """Its abilities say that it is a sandbox, and its numbers belong to nobody."""
    provider = open_session(KEY, str(tmp_path), Phone(tmp_path).emit)
    assert provider.capabilities.sandbox
    assert not provider.disposable
    assert provider._jid.startswith("5500")  # noqa: SLF001 - no area code 00 exists
