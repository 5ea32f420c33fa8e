"""A contact is erased: a search of every byte of the data directory finds nothing of them."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.acceptance.whatsapp import chat_of, running
from tests.support.daemon import ALL_SCOPES, Daemon, User
from tests.support.waiting import eventually

ANA, BIA = "+5511999990000", "+5521988887777"
ANA_CHAT, BIA_CHAT = "main:5511999990000@s.whatsapp.net", "main:5521988887777@s.whatsapp.net"
PHRASE, ANSWER, NOTE = "a phrase that only ana wrote", "an answer for her alone", "calls at noon"


def found_in(data_dir: Path, *needles: str) -> dict[str, list[str]]:
    """Return the files that hold one of the texts, whatever part of the file it is in."""
    hits: dict[str, list[str]] = {}
    for path in data_dir.rglob("*"):
        body = path.read_bytes() if path.is_file() else b""
        if found := [needle for needle in needles if needle.encode() in body]:
            hits[path.name] = found
    return hits


async def erased(admin: User, contact: str, session: str | None = None) -> dict[str, Any]:
    """Erase a contact; return the erasure as it is when it is done."""
    body = {"contact": contact} | ({"session": session} if session else {})
    made = await admin.post("/v1/erasures", body)

    async def is_done() -> Any:  # noqa: ANN401 - JSON
        found = await admin.get(f"/v1/erasures/{made['id']}")
        assert found["state"] != "failed", found
        return found if found["state"] == "done" else None

    found: dict[str, Any] = await eventually(is_done, 30)
    return found


@pytest_asyncio.fixture
async def admin(daemon: Daemon) -> AsyncIterator[User]:
    """Yield somebody with scope admin, in a workspace where Ana and Bia wrote."""
    async with daemon.user(scopes="admin") as admin:
        await admin.paired("main")
        await wrote(admin)
        yield admin


async def wrote(admin: User) -> None:
    """Let Ana write, be answered, noted, tagged and assigned; let Bia write too."""
    await admin.receive("main", PHRASE, ANA)
    await admin.receive("main", "bia is another", BIA)
    chat = f"/v1/chats/{ANA_CHAT}"
    body = {"type": "text", "text": ANSWER}
    await admin.post(f"{chat}/messages", body, headers={"Idempotency-Key": "once"})
    await admin.post(f"{chat}/notes", {"body": NOTE})
    tag = await admin.post("/v1/tags", {"name": "vip"})
    await admin.put(f"{chat}/tags", {"tags": [tag["id"]]})
    await admin.patch(f"{chat}/assignment", {"status": "pending"})


async def test_nothing_of_an_erased_contact_is_left(daemon: Daemon, admin: User) -> None:
    """Neither in RAM nor in any byte of a file; the others keep what is theirs."""
    await admin.post("/v1/exports", {"scope": {"workspace": "default"}})
    texts = ("5511999990000", PHRASE, ANSWER, NOTE)
    assert found_in(daemon.data_dir, *texts)["zapd.db-wal"]
    done = await erased(admin, ANA)
    assert found_in(daemon.data_dir, *texts) == {}
    report = done["report"]
    assert report["found_still"] == []
    assert report["erased"]["memory"]["chats"] == 1
    assert report["erased"]["memory"]["messages"] == 2
    assert report["erased"]["sends"]["sends"] == 1
    assert report["erased"]["metadata"]["notes"] == 1
    assert report["erased"]["metadata"]["chat_tags"] == 1
    assert report["erased"]["metadata"]["assignments"] == 1
    assert report["erased"]["known_chats"]["chats"] == 1
    assert report["erased"]["exports"]["exports"] == 1
    assert report["erased"]["history"]["messages"] == 2
    assert report["erased"]["history"]["chats"] == 1
    assert "5511999990000" not in str(done)
    chats = (await admin.get("/v1/chats"))["items"]
    assert [chat["id"] for chat in chats] == [BIA_CHAT]
    assert all(ANA[1:] not in str(line) for line in (await admin.get("/v1/activity"))["items"])
    await admin.in_state("main", "connected")
    assert [
        c["jid"] for c in (await admin.get("/v1/contacts"))["items"] if ANA[1:] in c["jid"]
    ] == []
    await daemon.end()
    assert found_in(daemon.data_dir, *texts) == {}
    await daemon.start()
    assert (await admin.get(f"/v1/erasures/{done['id']}")) == done


async def test_a_killed_daemon_goes_on_with_it(daemon: Daemon, admin: User) -> None:
    """Asked for, killed at once, done in the next life."""
    made = await admin.post("/v1/erasures", {"contact": ANA})
    await daemon.end(signal.SIGKILL)
    await daemon.start()

    async def is_done() -> bool:
        return bool((await admin.get(f"/v1/erasures/{made['id']}"))["state"] == "done")

    await eventually(is_done, 30)
    assert found_in(daemon.data_dir, "5511999990000", PHRASE, ANSWER, NOTE) == {}


async def test_who_writes_again_is_new(daemon: Daemon, admin: User) -> None:
    """The line is open again, and the chat is announced as one that nobody knew."""
    await erased(admin, ANA, "main")
    await admin.in_state("main", "connected")
    async with admin.stream(types="new_chat,new_message") as stream:
        await admin.receive("main", "hello again", ANA)
        assert (await stream.next("new_chat")).data["id"] == ANA_CHAT
        assert (await stream.next("new_message")).data["text"] == "hello again"
    assert len((await admin.get(f"/v1/chats/{ANA_CHAT}/messages"))["items"]) == 1


async def test_streams_begin_anew(admin: User) -> None:
    """No past is replayed; who resumes is told to read everything again, also from the head."""
    async with admin.stream() as stream:
        await admin.receive("main", "one more", BIA)
        last = (await stream.next("new_message")).id
        await erased(admin, ANA)
    async with admin.stream(after=last) as stream:
        assert (await stream.next("stream_reset")).data["reason"] == "too_old"


async def test_backups_and_what_was_set_aside_are_named(
    daemon: Daemon, admin: User, tmp_path: Path
) -> None:
    """With their dates: they are not touched, and hold what was erased."""
    file = tmp_path / "kept.tar"
    await daemon.command("backup", str(file))
    aside = daemon.data_dir / "before-restore-20260101-000000"
    aside.mkdir()
    (aside / "zapd.db").write_bytes(b"old 5511999990000")
    (daemon.data_dir / "history.db.damaged-1").write_bytes(b"what cannot be read")
    (daemon.data_dir / "history-spill").mkdir(exist_ok=True)
    (daemon.data_dir / "history-spill" / "0000000001.damaged").write_bytes(b"nor this")
    report = (await erased(admin, ANA))["report"]
    (backup,) = report["backups"]
    assert backup["file"] == str(file)
    assert backup["made_at"].endswith("Z")
    assert [copy["file"] for copy in report["copies"]] == [
        aside.name,
        "history-spill/0000000001.damaged",
        "history.db.damaged-1",
    ]
    assert all(copy["written_at"].endswith("Z") for copy in report["copies"])
    assert all("Delete it" in copy["user_action"] for copy in report["copies"])
    assert report["found_still"] == [{"file": f"{aside.name}/zapd.db", "times": 1}]


async def test_another_workspace_keeps_its_contact(daemon: Daemon, admin: User) -> None:
    """The same number elsewhere is somebody else's business; its erasures are not seen."""
    async with daemon.user("other", "admin") as other:
        await other.paired("main")
        await other.receive("main", "for the other tenant", ANA)
        done = await erased(admin, ANA)
        items = (await other.get(f"/v1/chats/{ANA_CHAT}/messages"))["items"]
        assert [message["text"] for message in items] == ["for the other tenant"]
        assert (await other.get("/v1/erasures"))["items"] == []
        problem = await other.refused("GET", f"/v1/erasures/{done['id']}")
        assert problem["code"] == "erasure_not_found"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "wrong_type"),
        ({"contact": "nonsense"}, "invalid_jid"),
        ({"contact": "120363000000000000@g.us"}, "invalid_value"),
        ({"contact": ANA, "session": "nobody"}, "session_not_found"),
        ({"contact": ANA, "all": True}, "unknown_field"),
    ],
)
async def test_what_is_no_contact_is_refused(admin: User, body: dict[str, Any], code: str) -> None:
    """With a code of its own, and no job."""
    assert (await admin.refused("POST", "/v1/erasures", body))["code"] == code
    assert (await admin.get("/v1/erasures"))["items"] == []


async def test_the_account_itself_is_no_contact(admin: User) -> None:
    """To erase it is to delete its session."""
    phone = (await admin.get("/v1/sessions/main"))["phone"]
    problem = await admin.refused("POST", "/v1/erasures", {"contact": phone})
    assert problem["code"] == "invalid_value"


@pytest.mark.parametrize(("method", "path"), [("POST", ""), ("GET", ""), ("GET", "/x")])
async def test_only_admins_erase(daemon: Daemon, user: User, method: str, path: str) -> None:
    """Every other scope together is not enough; nor is it for a member who supervises."""
    body = {"contact": ANA} if method == "POST" else None
    assert "admin" not in ALL_SCOPES
    assert (await user.refused(method, f"/v1/erasures{path}", body))["code"] == "missing_scope"
    await daemon.command("workspace", "create", "open", "--token-scopes", "admin")
    async with (
        daemon.user("open", "admin") as owner,
        daemon.agents("ana", workspace="open", scopes="admin") as (ana,),
    ):
        await owner.put("/v1/members/ana", {"role": "supervisor"})
        problem = await ana.refused(method, f"/v1/erasures{path}", body)
        assert problem["code"] == "missing_ability"


async def test_with_whatsapp_the_engine_forgets_too(tmp_path: Path) -> None:
    """Journal, map of LIDs, contacts and Signal sessions; who writes again is understood."""
    async with running(tmp_path) as rig, rig.daemon.user(scopes="admin") as admin:
        phone = await rig.paired("main", 1)
        alice, bob = rig.contact(1, "Alice Wonder"), rig.contact(2, "Bob")
        async with admin.stream(types="new_message") as stream:
            await alice.send_text(phone, PHRASE)
            await bob.send_text(phone, "bob is another")
            for _ in range(2):
                await stream.next("new_message")
        body = {"type": "text", "text": ANSWER}
        await admin.post(f"/v1/chats/{chat_of(alice)}/messages", body)
        texts = (alice.number, str(alice.lid_jid).partition("@")[0], "Alice Wonder", PHRASE, ANSWER)
        before = found_in(rig.daemon.data_dir, *texts)
        assert {"inbound.people", "whatsapp.db-wal", "zapd.db-wal"} <= before.keys()
        report = (await erased(admin, f"+{alice.number}"))["report"]
        assert found_in(rig.daemon.data_dir, *texts) == {}
        assert report["erased"]["engine"]["addresses"] == 1
        assert report["erased"]["device"]["whatsmeow_contacts"] == 2
        assert report["erased"]["device"]["whatsmeow_lid_map"] == 1
        assert report["erased"]["device"]["whatsmeow_sessions"] >= 1
        await admin.in_state("main", "connected")
        async with admin.stream(types="new_message") as stream:
            await bob.send_text(phone, "still here")
            assert (await stream.next("new_message")).data["text"] == "still here"
            await alice.send_text(phone, "hello again")
            assert (await stream.next("new_message")).data["text"] == "hello again"
