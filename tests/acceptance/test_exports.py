"""Exports over HTTP: made as jobs, fetched as zips, of one workspace only."""

from __future__ import annotations

import csv
import io
import json
import stat
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.daemon import ALL_SCOPES, Daemon, User
from tests.support.waiting import eventually

ANA, BIA = "+5511999990000", "+5521988887777"
ANA_CHAT, BIA_CHAT = "main:5511999990000@s.whatsapp.net", "main:5521988887777@s.whatsapp.net"


@pytest_asyncio.fixture
async def admin(daemon: Daemon) -> AsyncIterator[User]:
    """Yield somebody with scope admin, in a workspace where two people wrote."""
    async with daemon.user(scopes="admin") as admin:
        await admin.paired("main")
        await admin.receive("main", "bom dia", ANA)
        await admin.receive("main", '=HYPERLINK("http://evil.example","x")', BIA)
        await admin.receive("main", "até logo", ANA)
        await admin.post(f"/v1/chats/{ANA_CHAT}/notes", {"body": "calls at noon"})
        yield admin


async def exported(admin: User, scope: dict[str, str], form: str = "jsonl") -> dict[str, bytes]:
    """Make an export, wait for it, fetch it; return its files."""
    made = await admin.post("/v1/exports", {"scope": scope, "format": form})

    async def is_done() -> bool:
        found = await admin.get(f"/v1/exports/{made['id']}")
        assert found["state"] != "failed", found
        return bool(found["state"] == "done")

    await eventually(is_done)
    response = await admin.http.get(f"/v1/exports/{made['id']}/file")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(response.content)) as zipped:
        assert zipped.testzip() is None
        return {name: zipped.read(name) for name in zipped.namelist()}


def lines(files: dict[str, bytes], name: str) -> list[Any]:
    """Return the objects of a file of lines."""
    return [json.loads(line) for line in files[f"{name}.jsonl"].splitlines()]


async def test_a_workspace_is_exported_as_clients_read_it(admin: User) -> None:
    """Messages are byte for byte what the API gives; the manifest counts the rows."""
    files = await exported(admin, {"workspace": "default"})
    shown = [
        message
        for chat in (ANA_CHAT, BIA_CHAT)
        for message in (await admin.get(f"/v1/chats/{chat}/messages"))["items"]
    ]
    assert sorted(lines(files, "messages"), key=str) == sorted(shown, key=str)
    assert {chat["id"] for chat in lines(files, "chats")} == {ANA_CHAT, BIA_CHAT}
    assert [note["body"] for note in lines(files, "notes")] == ["calls at noon"]
    assert lines(files, "activity")[0]["chat"] == ANA_CHAT
    manifest = json.loads(files["manifest.json"])
    assert manifest["files"]["messages.jsonl"] == 3
    assert manifest["media"]["files"] == 0
    assert manifest["workspace"] == "default"


async def test_a_contact_is_exported_alone(admin: User) -> None:
    """Nothing of anybody else is in it; what hangs on their chat is."""
    files = await exported(admin, {"contact": ANA})
    assert [message["text"] for message in lines(files, "messages")] == ["bom dia", "até logo"]
    assert [chat["id"] for chat in lines(files, "chats")] == [ANA_CHAT]
    assert [contact["jid"] for contact in lines(files, "contacts")] == [ANA_CHAT.partition(":")[2]]
    assert len(lines(files, "notes")) == 1
    assert all(b"5521988887777" not in body for body in files.values())
    files = await exported(admin, {"chat": BIA_CHAT})
    assert len(lines(files, "messages")) == 1
    assert lines(files, "notes") == []


async def test_a_table_runs_nothing_in_a_spreadsheet(admin: User) -> None:
    """A customer's text that is a formula is a text in the CSV, and is all there."""
    files = await exported(admin, {"workspace": "default"}, "csv")
    rows = list(csv.DictReader(io.StringIO(files["messages.csv"].decode("utf-8-sig"))))
    assert {row["text"] for row in rows} == {
        "bom dia",
        "até logo",
        '\'=HYPERLINK("http://evil.example","x")',
    }
    starts = {
        cell[:1]
        for name in files
        if name.endswith(".csv")
        for row in _cells(files[name])
        for cell in row
    }
    assert starts.isdisjoint("=+-@\t\r")


def _cells(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))


async def test_the_file_is_the_owners_alone_and_ends_with_the_export(
    daemon: Daemon, admin: User
) -> None:
    """0600 in a folder 0700; deleting the export deletes it."""
    await exported(admin, {"workspace": "default"})
    (export,) = (await admin.get("/v1/exports"))["items"]
    file = daemon.data_dir / "exports" / f"{export['id']}.zip"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert export["progress"] == 100
    assert export["bytes"] == file.stat().st_size
    await admin.delete(f"/v1/exports/{export['id']}")
    assert not file.exists()
    assert (await admin.get("/v1/exports"))["items"] == []
    for method, path in (("GET", ""), ("GET", "/file"), ("DELETE", "")):
        problem = await admin.refused(method, f"/v1/exports/{export['id']}{path}")
        assert problem["code"] == "export_not_found"


async def test_another_workspace_sees_nothing_of_it(daemon: Daemon, admin: User) -> None:
    """Neither the export, nor the file, nor what is in it."""
    await exported(admin, {"workspace": "default"})
    (export,) = (await admin.get("/v1/exports"))["items"]
    async with daemon.user("other", "admin") as other:
        assert (await other.get("/v1/exports"))["items"] == []
        for path in ("", "/file"):
            problem = await other.refused("GET", f"/v1/exports/{export['id']}{path}")
            assert problem["code"] == "export_not_found"
        problem = await other.refused("DELETE", f"/v1/exports/{export['id']}")
        assert problem["code"] == "export_not_found"
        problem = await other.refused("POST", "/v1/exports", {"scope": {"workspace": "default"}})
        assert problem["code"] == "invalid_value"
        problem = await other.refused("POST", "/v1/exports", {"scope": {"chat": ANA_CHAT}})
        assert problem["code"] == "session_not_found"
        files = await exported(other, {"contact": ANA})
        assert lines(files, "messages") == []
        assert lines(files, "notes") == []
    assert (await admin.get(f"/v1/exports/{export['id']}"))["state"] == "done"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/exports"),
        ("GET", "/v1/exports"),
        ("GET", "/v1/exports/x"),
        ("GET", "/v1/exports/x/file"),
        ("DELETE", "/v1/exports/x"),
    ],
)
async def test_only_admins_export(daemon: Daemon, user: User, method: str, path: str) -> None:
    """Every other scope together is not enough; nor is it for a member who is an agent."""
    body = {"scope": {"workspace": "default"}} if method == "POST" else None
    assert "admin" not in ALL_SCOPES
    assert (await user.refused(method, path, body))["code"] == "missing_scope"
    async with daemon.user("team", "admin") as boss:
        await daemon.command("workspace", "create", "open", "--token-scopes", "admin")
        await boss.get("/v1/me")
    async with (
        daemon.user("open", "admin") as owner,
        daemon.agents("ana", workspace="open", scopes="admin") as (ana,),
    ):
        await owner.put("/v1/members/ana", {"role": "agent"})
        scope = {"scope": {"workspace": "open"}} if method == "POST" else None
        assert (await ana.refused(method, path, scope))["code"] == "missing_ability"
        await owner.put("/v1/members/ana", {"role": "admin"})
        assert (await ana.http.request(method, path, json=scope)).status_code in {200, 202, 404}


@pytest.mark.parametrize(
    ("scope", "code"),
    [
        ({}, "invalid_value"),
        ({"chat": ANA_CHAT, "workspace": "default"}, "invalid_value"),
        ({"workspace": "default", "session": "main"}, "invalid_value"),
        ({"chat": "main:nonsense"}, "invalid_jid"),
        ({"chat": "nobody:5511999990000"}, "session_not_found"),
        ({"contact": "+55"}, "invalid_jid"),
        ({"contact": "120363000000000000@g.us"}, "invalid_value"),
        ({"contact": ANA, "session": "nobody"}, "session_not_found"),
        ({"kontact": ANA}, "unknown_field"),
        ({"contact": 5}, "wrong_type"),
    ],
)
async def test_what_is_no_scope_is_refused(admin: User, scope: dict[str, Any], code: str) -> None:
    """With a code of its own, and no job."""
    assert (await admin.refused("POST", "/v1/exports", {"scope": scope}))["code"] == code
    assert (await admin.get("/v1/exports"))["items"] == []


async def test_the_command_asks_the_running_daemon(
    daemon: Daemon, admin: User, tmp_path: Path
) -> None:
    """What only RAM has is in it; neither a key that works nor an export is left."""
    target = tmp_path / "out.zip"
    arguments = ("export", str(target), "--contact", ANA, "--format", "csv")
    assert await daemon.command(*arguments) == str(target)
    with zipfile.ZipFile(target) as zipped:
        rows = _cells(zipped.read("messages.csv"))
    assert len(rows) == 3
    assert (await admin.get("/v1/exports"))["items"] == []
    keys = (await daemon.command("key", "list")).splitlines()
    (made,) = [line for line in keys if line.endswith("zapd export")]
    assert "admin" in made
    assert " - " not in made.partition("admin")[2].replace("never", "")


async def test_the_command_reads_the_files_where_no_daemon_runs(
    daemon: Daemon, admin: User, tmp_path: Path
) -> None:
    """What history has is in it, and what colleagues wrote."""
    await daemon.end()
    target = tmp_path / "out.zip"
    await daemon.command("export", str(target), "--workspace", "default")
    with zipfile.ZipFile(target) as zipped:
        assert b"calls at noon" in zipped.read("notes.jsonl")
        assert len(zipped.read("messages.jsonl").splitlines()) == 3
        assert "memory" not in json.loads(zipped.read("manifest.json"))["read_from"]
    await daemon.start()
