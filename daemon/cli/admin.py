"""The commands that work on the database, beside the running daemon or without one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.auth.api_keys import new_key, parse_key_id
from daemon.auth.login import Logins, login_url
from daemon.auth.tokens import sign
from daemon.cli import dead_letters
from daemon.cli.texts import OK, CommandError, note, out, table
from daemon.clock import SystemClock
from daemon.storage.database import Database
from daemon.storage.keys import KeyStore
from daemon.storage.logins import LoginStore
from daemon.storage.meta import BASE_URL, Meta
from daemon.storage.workspaces import DEFAULT, Workspace, WorkspaceStore
from sessions.ids import check_session
from sessions.models import iso

if TYPE_CHECKING:
    import argparse

    from daemon.auth.scopes import Scope
    from daemon.config import Settings


@dataclass(frozen=True, slots=True)
class Desk:
    """What a command works with."""

    settings: Settings
    clock: SystemClock
    database: Database
    keys: KeyStore
    workspaces: WorkspaceStore

    async def existing(self, name: str) -> Workspace:
        """Return the workspace; the default one is made when it is missing."""
        if name == DEFAULT:
            await self.workspaces.ensure(DEFAULT)
        found = await self.workspaces.find(name)
        if found is None:
            raise CommandError(
                f"There is no workspace {name[:60]!r}. Make it: zapd workspace create {name[:60]}"
            )
        return found


Command = Callable[[Desk, "argparse.Namespace"], Awaitable[None]]


def run(name: str, settings: Settings, args: argparse.Namespace) -> int:
    """Run the command of that name over the settings' data directory."""
    asyncio.run(_run(COMMANDS[name], settings, args))
    return OK


def has_keys(settings: Settings) -> bool:
    """Tell whether there is an API key that is not revoked."""

    async def ask() -> bool:
        database = await Database.open(settings.data_dir)
        try:
            return await KeyStore(database).any_valid()
        finally:
            await database.close()

    return asyncio.run(ask())


async def _run(command: Command, settings: Settings, args: argparse.Namespace) -> None:
    clock, database = SystemClock(), await Database.open(settings.data_dir)
    try:
        workspaces = WorkspaceStore(database, clock, settings.token_scopes)
        await command(Desk(settings, clock, database, KeyStore(database), workspaces), args)
    finally:
        await database.close()


async def _key_create(desk: Desk, args: argparse.Namespace) -> None:
    session = check_session(args.session) if args.session else None
    made = await desk.workspaces.ensure(args.workspace)
    key, row = new_key(
        args.workspace,
        args.scope,
        now=desk.clock.now_ms(),
        label=_label(args.label),
        session=session,
    )
    await desk.keys.add(row)
    if made:
        note(f"made the workspace {args.workspace}")
    note(f"key {row.id} for {args.workspace} ({row.scopes}); it is shown this once only")
    out(key)


async def _key_list(desk: Desk, args: argparse.Namespace) -> None:
    rows = [
        (
            key.id,
            key.workspace,
            key.scopes + (f" of {key.session}" if key.session else ""),
            iso(key.created_at),
            iso(key.last_used_at) if key.last_used_at else "never",
            iso(key.revoked_at) if key.revoked_at else "-",
            key.label,
        )
        for key in await desk.keys.all(args.workspace)
    ]
    out(table(("ID", "WORKSPACE", "SCOPES", "CREATED", "LAST USED", "REVOKED", "LABEL"), rows))


async def _key_revoke(desk: Desk, args: argparse.Namespace) -> None:
    key_id = parse_key_id(args.id)
    if not await desk.keys.revoke(key_id, desk.clock.now_ms()):
        raise CommandError("There is no key of that id. See: zapd key list")
    note(f"key {key_id} is revoked")


async def _workspace_create(desk: Desk, args: argparse.Namespace) -> None:
    if not await desk.workspaces.ensure(args.name, _names(args.token_scopes)):
        raise CommandError(f"The workspace {args.name} is there already.")
    note(f"made the workspace {args.name}; its secret, which signs its tokens:")
    out((await desk.existing(args.name)).jwt_secret)


async def _workspace_list(desk: Desk, _: argparse.Namespace) -> None:
    rows = [
        (space.id, ",".join(space.token_scopes), iso(space.created_at))
        for space in await desk.workspaces.all()
    ]
    out(table(("WORKSPACE", "TOKEN SCOPES", "CREATED"), rows))


async def _workspace_secret(desk: Desk, args: argparse.Namespace) -> None:
    await desk.existing(args.name)
    if args.rotate:
        await desk.workspaces.rotate(args.name)
        note(f"{args.name} has a new secret; tokens signed with the old one end within a second")
    out((await desk.existing(args.name)).jwt_secret)


async def _token(desk: Desk, args: argparse.Namespace) -> None:
    workspace = await desk.existing(args.workspace)
    names = _names(args.scope)
    beyond = sorted(set(names or ()) - set(workspace.token_scopes))
    if beyond and "admin" not in workspace.token_scopes:
        note(f"the workspace may not allow {', '.join(beyond)} to its tokens; an API key can")
    expires_s = desk.clock.now_ms() // 1000 + args.ttl
    note(f"a token for {workspace.id}, good until {iso(expires_s * 1000)}")
    scope = " ".join(names) if names is not None else None
    out(
        sign(
            workspace.jwt_secret, workspace.id, expires_s=expires_s, subject=args.sub, scopes=scope
        )
    )


async def _login_link(desk: Desk, args: argparse.Namespace) -> None:
    workspace = await desk.existing(args.workspace)
    if args.user is not None:
        await _check_member(desk, workspace.id, args.user)
    logins = Logins(LoginStore(desk.database), desk.clock)
    token = await logins.create_link(workspace.id, args.user)
    running = await Meta(desk.database).get(BASE_URL)
    base = desk.settings.public_url or running or desk.settings.base_url()
    whose = f" as {args.user}" if args.user is not None else ""
    note(f"works once, within ten minutes, for workspace {workspace.id}{whose}")
    out(login_url(base, token))


async def _check_member(desk: Desk, workspace: str, user: str) -> None:
    """Refuse whom the link would let in to nothing."""
    from daemon.metadata.models import Member  # noqa: PLC0415 - other commands are quick without
    from daemon.metadata.sqlite import SqliteMetadata  # noqa: PLC0415 - likewise

    row = await SqliteMetadata(desk.database, desk.clock).row(Member, workspace, (user,))
    if not isinstance(row, Member) or not row.live or not row.active:
        raise CommandError(
            f"The workspace {workspace} has no active member {_label(user)!r}. Make it one with"
            " PUT /v1/members/{user}, or in Supabase."
        )


async def _export(desk: Desk, args: argparse.Namespace) -> None:
    from daemon.cli.export import export  # noqa: PLC0415 - the engine's parts, which others need not

    await export(desk, args)


def _names(scopes: frozenset[Scope] | None) -> tuple[str, ...] | None:
    return None if scopes is None else tuple(sorted(scopes))


def _label(text: str) -> str:
    """Return the label on one line."""
    return "".join(character if character.isprintable() else " " for character in text)[:100]


COMMANDS: dict[str, Command] = {
    "key create": _key_create,
    "key list": _key_list,
    "key revoke": _key_revoke,
    "workspace create": _workspace_create,
    "workspace list": _workspace_list,
    "workspace secret": _workspace_secret,
    "token": _token,
    "login-link": _login_link,
    **dead_letters.COMMANDS,
    "export": _export,
}
