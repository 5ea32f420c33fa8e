"""From the command line to what does it. Imports are late, so that a short command is quick."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.cli.options import parser
from daemon.cli.texts import CONFIG, FAILED, OK, USAGE, CommandError, note, out
from daemon.config import ConfigError, Settings
from daemon.config.render import OPTIONS, check, env_example, reference
from sessions.errors import EngineError

if TYPE_CHECKING:
    import argparse

Env = Mapping[str, str]
_INTERRUPTED = 130


def main(argv: list[str] | None = None) -> int:
    """Run ``zapd`` and return its exit code."""
    try:
        args = parser().parse_args(argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else USAGE
    try:
        code = _dispatch(args, dict(os.environ))
        sys.stdout.flush()
    except ConfigError as error:
        for problem in error.problems:
            note(problem)
        return CONFIG
    except BrokenPipeError:  # the reader has enough: nothing is left to flush at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (CommandError, EngineError, OSError) as error:
        note(_sentence(error))
        return FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


def settings_from(args: argparse.Namespace, env: Env) -> Settings:
    """Return the settings of environment and options."""
    given = {name: getattr(args, name, None) for name in OPTIONS}
    options = {name: text for name, text in given.items() if text is not None}
    base = env.get("XDG_DATA_HOME", "")
    if "ZAPD_DATA_DIR" not in env and Path(base).is_absolute():
        options.setdefault("data_dir", str(Path(base) / "zapd"))
    return Settings.from_env(env, options)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach the address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def refuse_open_bind(settings: Settings, has_keys: bool) -> str | None:
    """Return why the daemon may not listen where it is told to, or None."""
    if is_loopback(settings.host) or settings.jwt_secret or has_keys:
        return None
    return (
        f"ZAPD_HOST is {settings.host}, which others can reach, and there is neither a "
        "ZAPD_JWT_SECRET nor an API key. Set the one (32 characters or more), make the other "
        "(zapd key create), or listen on 127.0.0.1."
    )


def _dispatch(args: argparse.Namespace, env: Env) -> int:
    if alone := _ALONE.get(args.run):
        return alone(args)
    settings = settings_from(args, env)
    if looks := _LOOKS.get(args.run):
        return looks(settings, args, env)
    os.umask(0o077)
    if args.run == "serve":
        return _serve(settings, env)
    if args.run in {"backup", "restore"}:
        from daemon.cli.backup import run as keep  # noqa: PLC0415 - late on purpose

        return keep(args.run, settings, args)
    from daemon.cli.admin import run  # noqa: PLC0415 - late on purpose

    return run(args.run, settings, args)


def _env_example(args: argparse.Namespace) -> int:
    sys.stdout.write(reference() if args.markdown else env_example())
    return OK


def _supabase_sql(args: argparse.Namespace) -> int:
    from daemon.cli.supabase import write_sql  # noqa: PLC0415 - late on purpose

    return write_sql(args.write, args.after)


def _doctor(settings: Settings, _: argparse.Namespace, env: Env) -> int:
    from daemon.cli.doctor import run as examine  # noqa: PLC0415 - late on purpose

    return examine(settings, env)


def _supabase_check(settings: Settings, _: argparse.Namespace, __: Env) -> int:
    from daemon.cli.supabase import check as examine  # noqa: PLC0415 - late on purpose

    return examine(settings)


def _serve(settings: Settings, env: Env) -> int:
    """Start the daemon. ``env`` goes along for NOTIFY_SOCKET and for what workers may have."""
    _check_bind(settings)
    from daemon import logs  # noqa: PLC0415 - late on purpose
    from daemon.app import run  # noqa: PLC0415 - late on purpose

    logs.setup(settings.log_level, settings.log_format, secrets=settings.secrets())
    return run(settings, env)


def _check_config(settings: Settings, args: argparse.Namespace, env: Env) -> int:
    _check_bind(settings)
    given = {f"ZAPD_{name.upper()}" for name in OPTIONS if getattr(args, name, None)}
    sys.stdout.write(check(settings, {*given, *env}))
    note("the configuration can be used")
    return OK


def _check_bind(settings: Settings) -> None:
    """Raise ``ConfigError`` where the daemon would be open to everybody."""
    problem = refuse_open_bind(settings, has_keys=False)
    if problem and not _has_keys(settings):
        raise ConfigError([problem])


def _has_keys(settings: Settings) -> bool:
    """Ask the database, where there is one."""
    from daemon.storage.data_dir import DATABASE  # noqa: PLC0415 - late on purpose

    if not (settings.data_dir / DATABASE).exists():
        return False
    from daemon.cli.admin import has_keys  # noqa: PLC0415 - late on purpose

    return has_keys(settings)


def _version(_: argparse.Namespace) -> int:
    try:
        out(f"zapd {metadata.version('zapd')}")
    except metadata.PackageNotFoundError:
        out("zapd (not installed)")
    return OK


def _sentence(error: Exception) -> str:
    action = getattr(error, "user_action", None)
    return f"{error} {action}" if action else str(error)


#: Commands that need no settings, and those that only look.
_ALONE: dict[str, Callable[[argparse.Namespace], int]] = {
    "version": _version,
    "env-example": _env_example,
    "supabase sql": _supabase_sql,
}
_LOOKS: dict[str, Callable[[Settings, argparse.Namespace, Env], int]] = {
    "check-config": _check_config,
    "doctor": _doctor,
    "supabase check": _supabase_check,
}
