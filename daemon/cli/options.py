"""What can be typed after ``zapd``."""

from __future__ import annotations

import argparse
from typing import TypeAlias

from daemon.auth.scopes import Scope, parse_scopes
from daemon.config.kinds import parse_duration
from daemon.config.render import OPTIONS
from daemon.config.settings import ROWS

_HELP = {row.name: row.sentence for row in ROWS}
_TTL_MAX = 10 * 366 * 86_400  # ten years


def parser() -> argparse.ArgumentParser:
    """Return the parser; each command puts its name into ``run``."""
    top = argparse.ArgumentParser(prog="zapd", description="A WhatsApp gateway.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    serve = _command(commands, "serve", "run the daemon")
    for name in OPTIONS:
        serve.add_argument(f"--{name.replace('_', '-')}", dest=name, help=_HELP[name])
    _add_keys(commands)
    _add_workspaces(commands)
    _add_sign_in(commands)
    _add_supabase(commands)
    _add_backup(commands)
    _add_export(commands)
    for name, text in (
        ("check-config", "tell every setting, or what is wrong with them"),
        ("doctor", "tell what is missing on this machine"),
    ):
        _data_dir(_command(commands, name, text))
    example = _command(commands, "env-example", "print an environment file with every setting")
    example.add_argument("--markdown", action="store_true", help="print the reference instead")
    _command(commands, "version", "print the version")
    return top


def scopes(text: str) -> frozenset[Scope]:
    """Return the scopes of an option; raise argparse's error."""
    try:
        found = parse_scopes(text)
    except ValueError:
        found = frozenset()
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r}: write some of {', '.join(Scope)}, with commas")
    return found


def seconds(text: str) -> int:
    """Return the seconds of a time span; raise argparse's error."""
    try:
        number = round(parse_duration(text))
    except (ValueError, OverflowError):
        number = 0
    if not 1 <= number <= _TTL_MAX:
        raise argparse.ArgumentTypeError(f"{text!r}: write a time span such as 30m, 1h or 365d")
    return number


_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - the type has no public name


def _command(
    commands: _Commands, name: str, text: str, run: str | None = None
) -> argparse.ArgumentParser:
    made = commands.add_parser(name, help=text, description=text.capitalize() + ".")
    made.set_defaults(run=run or name)
    return made


def _data_dir(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument("--data-dir", dest="data_dir", help=_HELP["data_dir"])
    return command


def _group(commands: _Commands, name: str, text: str) -> _Commands:
    group = commands.add_parser(name, help=text, description=text.capitalize() + ".")
    return group.add_subparsers(required=True, metavar="COMMAND")


def _add_keys(commands: _Commands) -> None:
    keys = _group(commands, "key", "make, list and revoke API keys")
    create = _data_dir(_command(keys, "create", "print a new API key", "key create"))
    create.add_argument("--workspace", required=True, help="made if it is not there")
    create.add_argument(
        "--scope", type=scopes, default="read", help="with commas; read unless told"
    )
    create.add_argument("--label", default="", help="what the key is for")
    create.add_argument("--session", help="narrow the key to one session (with scope pair)")
    listing = _data_dir(_command(keys, "list", "list the API keys", "key list"))
    listing.add_argument("--workspace", help="of this workspace only")
    revoke = _data_dir(_command(keys, "revoke", "end an API key", "key revoke"))
    revoke.add_argument("id", help="as `zapd key list` shows it")


def _add_workspaces(commands: _Commands) -> None:
    spaces = _group(commands, "workspace", "make and list workspaces, show their secrets")
    create = _data_dir(
        _command(spaces, "create", "make a workspace, print its secret", "workspace create")
    )
    create.add_argument("name")
    create.add_argument("--token-scopes", type=scopes, help="what its tokens may do at most")
    _data_dir(_command(spaces, "list", "list the workspaces", "workspace list"))
    secret = _data_dir(
        _command(spaces, "secret", "print the secret that signs its tokens", "workspace secret")
    )
    secret.add_argument("name")
    secret.add_argument("--rotate", action="store_true", help="make a new one: old tokens end")


def _add_sign_in(commands: _Commands) -> None:
    token = _data_dir(_command(commands, "token", "print a token signed with a workspace's secret"))
    token.add_argument("--workspace", default="default")
    token.add_argument("--scope", type=scopes, help="what the workspace allows, unless told")
    token.add_argument("--ttl", type=seconds, default="1h", help="how long it is good; 1h")
    token.add_argument("--sub", default="zapd", help="who it is for")
    link = _data_dir(_command(commands, "login-link", "print a link that signs a browser in once"))
    link.add_argument("--workspace", default="default")
    link.add_argument("--user", help="sign in as this member; else as the console, which may all")


def _add_supabase(commands: _Commands) -> None:
    group = _group(commands, "supabase", "make a Supabase project ready, see whether it is")
    sql = _command(group, "sql", "print the SQL that makes a project ready", "supabase sql")
    sql.add_argument(
        "--write", metavar="DIR", help="write it as files, such as into supabase/migrations"
    )
    sql.add_argument(
        "--after", metavar="VERSION", help="only what came after this migration (its 14 digits)"
    )
    _command(group, "check", "tell what the project lacks", "supabase check")
    letters = _data_dir(
        _command(group, "letters", "list the changes that it refused for good", "supabase letters")
    )
    letters.add_argument("--workspace", help="of this workspace only")
    retry = _data_dir(_command(group, "retry", "send such changes again", "supabase retry"))
    retry.add_argument("ids", nargs="*", type=int, metavar="ID", help="as `letters` shows it")
    retry.add_argument("--all", action="store_true", help="all of them")
    forget = _data_dir(_command(group, "forget", "never send such changes", "supabase forget"))
    forget.add_argument("ids", nargs="+", type=int, metavar="ID", help="as `letters` shows it")


def _add_backup(commands: _Commands) -> None:
    backup = _data_dir(_command(commands, "backup", "write a backup, also while the daemon runs"))
    backup.add_argument("file", nargs="?", metavar="FILE", help="zapd-DATE-TIME.tar unless told")
    restore = _data_dir(
        _command(commands, "restore", "put a backup back; what is there is set aside")
    )
    restore.add_argument("file", metavar="FILE")


def _add_export(commands: _Commands) -> None:
    export = _data_dir(
        _command(commands, "export", "write what is kept into a zip, also while the daemon runs")
    )
    export.add_argument("file", nargs="?", metavar="FILE", help="zapd-export-….zip unless told")
    export.add_argument("--workspace", default="default")
    which = export.add_mutually_exclusive_group()
    which.add_argument("--chat", metavar="ID", help="one chat only: {session}:{jid}")
    which.add_argument("--contact", metavar="NUMBER", help="one person only")
    export.add_argument("--session", help="with --contact: of this session only")
    export.add_argument("--format", choices=("jsonl", "csv"), default="jsonl")
