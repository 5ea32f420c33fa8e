"""``zapd export``: a chat, a contact or a workspace into a zip, beside a running daemon or not.

A running daemon is asked to make it, since RAM has what is not on disk yet; with a key that is
made for this and ends with it. Without one, the files are read as they are.
"""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.auth.api_keys import new_key
from daemon.auth.scopes import Scope as AuthScope
from daemon.cli.texts import CommandError, note, out
from daemon.history.spill import FOLDER as SPILL
from daemon.history.sqlite import FILE as HISTORY, SqliteHistory
from daemon.services.people.addresses import Addresses
from daemon.services.people.exports import Room, Scope, Writer, check_person
from daemon.services.people.formats import Format
from daemon.services.people.past import Past
from daemon.services.people.source import Source
from daemon.storage.data_dir import running_pid
from daemon.storage.meta import BASE_URL, Meta
from daemon.storage.sessions import SqliteSessionStore
from sessions.ids import split_chat_id
from sessions.models import iso

if TYPE_CHECKING:
    import argparse

    import httpx

    from daemon.cli.admin import Desk

ASK_SECONDS, ANSWER_SECONDS = 0.2, 60.0


async def export(desk: Desk, args: argparse.Namespace) -> None:
    """Write the export to the file, and print its name."""
    await desk.existing(args.workspace)
    scope = _scope(args)
    target = _target(args, desk)
    if running_pid(desk.settings.data_dir):
        made = await _by_daemon(desk, args.workspace, scope, args.format, target)
    else:
        made = await _alone(desk, args.workspace, scope, args.format, target)
    rows = ", ".join(f"{count} in {name}" for name, count in made.items() if count)
    note(f"rows: {rows or 'none'}")
    out(str(target))


def _scope(args: argparse.Namespace) -> Scope:
    """Return what is asked for; raise ``InvalidJid`` or ``InvalidId``."""
    if args.chat is not None:
        split_chat_id(args.chat)
        return Scope(chat=args.chat)
    if args.contact is not None:
        check_person(args.contact)
        return Scope(contact=args.contact, session=args.session)
    return Scope(workspace=args.workspace)


def _target(args: argparse.Namespace, desk: Desk) -> Path:
    day = iso(desk.clock.now_ms())[:10].replace("-", "")
    name = f"zapd-export-{args.workspace}-{day}.zip"
    target = Path(args.file or name)
    target = target / name if target.is_dir() else target
    if target.exists():
        raise CommandError(f"{target} is there already. Name another FILE.")
    return target


async def _alone(
    desk: Desk, workspace: str, scope: Scope, form: Format, target: Path
) -> dict[str, int]:
    history = None
    if (desk.settings.data_dir / HISTORY).is_file():
        history = SqliteHistory(desk.settings.data_dir)
        await history.ready()
    else:
        note(f"there is no {HISTORY} and no daemon that runs: no messages are in it")
    if any(desk.settings.data_dir.glob(f"{SPILL}/*")):
        note(f"what waits in {SPILL} is not in it: start the daemon, then export again")
    try:
        past = Past(history) if history is not None else None
        records = await SqliteSessionStore(desk.database).load()
        room = Room(
            data_dir=desk.settings.data_dir,
            database=desk.database,
            source=Source(None, past),
            addresses=Addresses(desk.database, None, past),
            sessions=lambda name: [each.id for each in records if each.workspace == name],
            clock=desk.clock,
            zapd=version("zapd"),
        )
        made = await Writer(room).write_to(target, workspace, scope, form, _unheard)
    finally:
        if history is not None:
            await history.close()
    rows: dict[str, int] = made["rows"]
    return rows


async def _unheard(_: int) -> None:
    """Tell nobody how far it is."""


async def _by_daemon(
    desk: Desk, workspace: str, scope: Scope, form: str, target: Path
) -> dict[str, int]:
    import httpx  # noqa: PLC0415 - 60 ms and 14 MiB that other commands need not spend

    base = await Meta(desk.database).get(BASE_URL)
    key, row = new_key(
        workspace, frozenset({AuthScope.ADMIN}), now=desk.clock.now_ms(), label="zapd export"
    )
    await desk.keys.add(row)
    try:
        async with httpx.AsyncClient(
            base_url=base or desk.settings.base_url(),
            headers={"Authorization": f"Bearer {key}"},
            timeout=ANSWER_SECONDS,
        ) as client:
            return await _asked(client, scope, form, target)
    except httpx.HTTPError as error:
        raise CommandError(f"The running daemon does not answer at {base}: {error}.") from error
    finally:
        await desk.keys.revoke(row.id, desk.clock.now_ms())


async def _asked(
    client: httpx.AsyncClient, scope: Scope, form: str, target: Path
) -> dict[str, int]:
    import msgspec  # noqa: PLC0415 - as httpx above

    body = {"scope": msgspec.to_builtins(scope), "format": form}
    found = _json(await client.post("/v1/exports", json=body))
    path = f"/v1/exports/{found['id']}"
    try:
        while found["state"] not in {"done", "failed"}:
            await asyncio.sleep(ASK_SECONDS)
            found = _json(await client.get(path))
        if found["state"] == "failed":
            raise CommandError(str(found["detail"]))
        await _fetch(client, f"{path}/file", target)
    finally:
        await client.delete(path)
    rows: dict[str, int] = found["rows"]
    return rows


async def _fetch(client: httpx.AsyncClient, path: str, target: Path) -> None:
    partial = target.with_name(f".{target.name}.partial")
    try:
        async with client.stream("GET", path) as response:
            if not response.is_success:
                raise CommandError(f"The daemon does not give the file ({response.status_code}).")
            with partial.open("wb") as stream:
                async for chunk in response.aiter_bytes():
                    stream.write(chunk)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _json(response: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    if not response.is_success:
        raise CommandError(str(body.get("detail", response.status_code)))
    return body
