"""The table of settings. A row is a field of :class:`Settings`."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Self

from daemon.config.kinds import (
    Choice,
    Duration,
    Folder,
    Integer,
    Kind,
    Origins,
    Secret,
    SecretText,
    Size,
    Text,
    Url,
    Words,
)
from daemon.config.row import PREFIX, ConfigError, Row
from daemon.config.supabase_key import SupabaseKey

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

_SCOPES = ("read", "send", "manage", "metadata", "admin", "pair", "stream", "media")
_SERVER, _ACCESS, _LOGS = "Server", "Access", "Logs"
_MEMORY, _STREAMS, _WORKERS, _SENDS = "Memory", "Streams", "Workers", "Sends"
_SUPABASE, _PEOPLE, _HISTORY = "Supabase", "People's rights", "History"


def _row(group: str, kind: Kind, default: str, sentence: str) -> Any:  # noqa: ANN401 - a dataclass field
    """Declare a setting."""
    meta = {"group": group, "kind": kind, "default": default, "sentence": sentence}
    return field(default_factory=lambda: kind.parse(default), metadata=meta)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings. Sizes are bytes, times are seconds."""

    host: str = _row(
        _SERVER,
        Text("an address such as 127.0.0.1, ::1 or 0.0.0.0"),
        "127.0.0.1",
        "The address to listen on; another than loopback needs ZAPD_JWT_SECRET or an API key.",
    )
    port: int = _row(
        _SERVER, Integer(0, 65535), "8420", "The port to listen on; 0 takes any that is free."
    )
    data_dir: Path = _row(  # noqa: RUF009 - a field, not a value
        _SERVER,
        Folder(),
        "~/.local/share/zapd",
        "Where the database and the WhatsApp devices are kept; only its owner may read it.",
    )
    public_url: str | None = _row(
        _SERVER,
        Url(),
        "",
        "The origin under which people reach the daemon behind a proxy, for the links it prints.",
    )
    body_max_bytes: int = _row(
        _SERVER, Size("1KiB", "64MiB"), "1MiB", "The largest request body that is read."
    )
    shutdown_seconds: float = _row(
        _SERVER,
        Duration(0.1, 600),
        "20",
        "How long a stop may take before what is left is ended by force.",
    )
    jwt_secret: Secret | None = _row(  # noqa: RUF009 - a field, not a value
        _ACCESS,
        SecretText(32),
        "",
        "The operator's own secret: tokens signed with it may name any workspace.",
    )
    token_scopes: tuple[str, ...] = _row(
        _ACCESS,
        Words(_SCOPES),
        "read,send,metadata",
        "What a new workspace allows to the tokens that are signed with its secret.",
    )
    cors_origins: tuple[str, ...] = _row(
        _ACCESS, Origins(), "", "The pages of other origins that may call the daemon."
    )
    metrics_token: Secret | None = _row(  # noqa: RUF009 - a field, not a value
        _ACCESS,
        SecretText(16),
        "",
        "What Prometheus shows as a Bearer token to read /metrics; without it there is no such page.",
    )
    rate_limit: int = _row(
        _ACCESS, Integer(1, 100_000), "200", "Requests a second that a credential may make."
    )
    rate_burst: int = _row(
        _ACCESS, Integer(1, 1_000_000), "400", "Requests that a credential may make at once."
    )
    log_level: str = _row(
        _LOGS,
        Choice(("debug", "info", "warning", "error")),
        "info",
        "The least level that is logged.",
    )
    log_format: str = _row(
        _LOGS, Choice(("text", "json")), "text", "Lines for people, or one JSON object a line."
    )
    memory_budget: int = _row(
        _MEMORY,
        Size("1MiB", "16TiB"),
        "6GiB",
        "What all caches together may hold, the rings of the streams included; history in SQLite "
        "takes up to 160 MiB beside them.",
    )
    chat_max_bytes: int = _row(
        _MEMORY, Size("16KiB", "4GiB"), "4MiB", "What the messages of one chat may hold."
    )
    session_max_bytes: int = _row(
        _MEMORY,
        Size("1MiB", "16TiB", zero="no bound of its own"),
        "1GiB",
        "What the chats, messages and contacts of one session may hold.",
    )
    chat_max_messages: int = _row(
        _MEMORY,
        Integer(0, 10_000_000),
        "0",
        "How many messages of a chat are kept; 0 leaves it to the bounds in bytes.",
    )
    chat_idle_seconds: float = _row(
        _MEMORY,
        Duration(1, 31_536_000, zero="never"),
        "0",
        "After how long without use the messages of a chat leave the memory.",
    )
    ring_events: int = _row(
        _STREAMS,
        Integer(16, 100_000_000),
        "16384",
        "How many past events of a workspace can be replayed.",
    )
    ring_bytes: int = _row(
        _STREAMS,
        Size("64KiB", "1TiB"),
        "64MiB",
        "What the past events of a workspace may hold.",
    )
    subscriber_bytes: int = _row(
        _STREAMS,
        Size("16KiB", "1GiB"),
        "1MiB",
        "How far behind a stream may be before it is ended as slow.",
    )
    stream_sndbuf: int = _row(
        _STREAMS,
        Size("4KiB", "64MiB", zero="what the system gives"),
        "128KiB",
        "The kernel's send buffer of a stream's socket.",
    )
    streams_per_credential: int = _row(
        _STREAMS, Integer(1, 1_000_000), "100", "How many streams a credential may have open."
    )
    ping_seconds: float = _row(
        _STREAMS,
        Duration(0.1, 25),
        "20",
        "How often a stream gets a ping, give or take a quarter.",
    )
    sessions_per_worker: int = _row(
        _WORKERS, Integer(1, 100), "10", "How many paired sessions share a worker process."
    )
    worker_heartbeat_seconds: float = _row(
        _WORKERS, Duration(0.05, 60), "5", "How often a worker says that it is alive."
    )
    worker_hung_seconds: float = _row(
        _WORKERS, Duration(0.1, 600), "20", "After how long a silent worker is replaced."
    )
    worker_ready_seconds: float = _row(
        _WORKERS, Duration(0.1, 600), "30", "How long a worker may take to start."
    )
    worker_drain_seconds: float = _row(
        _WORKERS, Duration(0, 600), "15", "How long a worker may take to disconnect and stop."
    )
    pairing_host_seconds: float = _row(
        _WORKERS,
        Duration(0, 86_400),
        "180",
        "How long a new session keeps a worker of its own when no history arrives.",
    )
    starts_per_second: int = _row(
        _WORKERS,
        Integer(1, 1000),
        "10",
        "How many sessions may log in a second, over all workers; as many may at once.",
    )
    session_starts_max: int = _row(
        _WORKERS,
        Integer(1, 10_000),
        "6",
        "How often a session is started again by itself within ten minutes before it pauses.",
    )
    probe_after_seconds: float = _row(
        _WORKERS,
        Duration(1, 86_400, zero="never"),
        "300",
        "After how long without a sign from WhatsApp a connected session is asked for one.",
    )
    worker_max_rss: int = _row(
        _WORKERS,
        Size("64MiB", "1TiB", zero="no bound"),
        "512MiB",
        "The resident memory at which a worker is drained and started anew.",
    )
    worker_max_fds: int = _row(
        _WORKERS,
        Integer(0, 1_000_000),
        "800",
        "The open files at which a worker is drained and started anew; 0 is no bound.",
    )
    worker_max_reconnects: int = _row(
        _WORKERS,
        Integer(0, 1_000_000),
        "500",
        "The logins of its sessions after which a worker is started anew; 0 is no bound.",
    )
    worker_rest_seconds: float = _row(
        _WORKERS,
        Duration(0, 86_400),
        "600",
        "How long a worker lives at least before one of these bounds ends it.",
    )
    send_queue_max: int = _row(
        _SENDS, Integer(1, 1_000_000), "1000", "How many sends of a session may wait."
    )
    send_timeout_seconds: float = _row(
        _SENDS, Duration(0.1, 3600), "90", "After how long a send without an answer is unknown."
    )
    sends_keep_hours: int = _row(
        _SENDS,
        Integer(1, 8760),
        "72",
        "How long a finished send and its Idempotency-Key are remembered.",
    )
    history: str = _row(
        _HISTORY,
        Choice(("off", "sqlite", "supabase")),
        "sqlite",
        "Where messages are kept beyond the memory: history.db in the data directory, the Supabase "
        "project, or nowhere.",
    )
    history_days: int = _row(
        _HISTORY,
        Integer(0, 36_500),
        "0",
        "After how many days a message leaves the history; 0 keeps it for ever.",
    )
    history_max_bytes: int = _row(
        _HISTORY,
        Size("16MiB", "1024TiB", zero="no bound"),
        "0",
        "What history.db may hold; the oldest messages leave beyond it.",
    )
    history_backlog: int = _row(
        _HISTORY,
        Size("16MiB", "64GiB"),
        "64MiB",
        "What may wait in memory for the history; from half of it on it waits on disk.",
    )
    history_spill: int = _row(
        _HISTORY,
        Size("1MiB", "16TiB", zero="nothing waits on disk"),
        "1GiB",
        "What may wait on disk while the history cannot be written.",
    )
    exports_keep_hours: int = _row(
        _PEOPLE,
        Integer(1, 8760),
        "168",
        "How long the file of an export can be fetched.",
    )
    supabase_url: str | None = _row(
        _SUPABASE,
        Url(),
        "",
        "The Supabase project that holds the metadata too; needs ZAPD_SUPABASE_KEY.",
    )
    supabase_key: Secret | None = _row(  # noqa: RUF009 - a field, not a value
        _SUPABASE,
        SupabaseKey(),
        "",
        "The key with which the daemon writes to the Supabase project.",
    )
    supabase_jwt_secret: Secret | None = _row(  # noqa: RUF009 - a field, not a value
        _SUPABASE,
        SecretText(32, "the legacy JWT secret of the project, of at least 32 characters"),
        "",
        "Needed only where the project signs its users' tokens with a shared secret (HS256).",
    )
    supabase_poll_seconds: float = _row(
        _SUPABASE,
        Duration(1, 3600),
        "30",
        "How often the project is asked for what others changed; Realtime tells most of it sooner.",
    )

    @classmethod
    def from_env(cls, env: Mapping[str, str], overrides: Mapping[str, str] | None = None) -> Self:
        """Read the ``ZAPD_*`` variables; ``overrides`` (name → text) come from the command.

        Raises:
            ConfigError: with a sentence for every fault, not only the first.
        """
        options = overrides or {}
        problems = [_unknown(name) for name in sorted(env) if _is_unknown(name)]
        values: dict[str, Any] = {}
        unread: set[str] = set()
        for row in ROWS:
            text = options.get(row.name, env.get(row.variable))
            if text is None:
                continue
            where = f"--{row.name.replace('_', '-')}" if row.name in options else row.variable
            try:
                values[row.name] = row.parse(text, where)
            except ValueError as error:
                problems.append(str(error))
                unread.add(row.name)
        settings = replace(cls(**values), **_fitted(cls(**values), values))
        problems += settings.contradictions(unread)
        if problems:
            raise ConfigError(problems)
        return settings

    def base_url(self, port: int | None = None) -> str:
        """Return where the daemon is reached; ``port`` is the one that it got, if it asked for any."""
        if self.public_url:
            return self.public_url
        host = _REACHED_AS.get(self.host, self.host)
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self.port if port is None else port}"

    def secrets(self) -> list[str]:
        """Return what must never be seen in a log line."""
        given = [getattr(self, each.name) for each in fields(self)]
        return [value.reveal() for value in given if isinstance(value, Secret)]

    def contradictions(self, unread: Collection[str] = ()) -> list[str]:
        """Return a sentence for each pair of settings that cannot go together.

        ``unread`` names those that were given but could not be read.
        """
        alone = [
            f"{_variable(name)} is set and {_variable(other)} is not. Set both, or neither."
            for name, other in _NEEDS
            if getattr(self, name) and not getattr(self, other) and other not in unread
        ]
        if self.history == "supabase" and not self.supabase_url and "supabase_url" not in unread:
            alone.append(
                "ZAPD_HISTORY is supabase and ZAPD_SUPABASE_URL is not set. "
                "Set it, or keep the history in sqlite."
            )
        return alone + [
            f"{_variable(small)} is {_shown(self, small)}, more than {_variable(large)} "
            f"({_shown(self, large)}). Make it smaller, or the other larger."
            for small, large, _ in _FITS_INTO
            if getattr(self, small) > getattr(self, large)
        ]


#: An address that means "all" cannot be opened in a browser; its loopback can.
_REACHED_AS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound

#: (is of no use without, this)
_NEEDS = (
    ("supabase_url", "supabase_key"),
    ("supabase_key", "supabase_url"),
    ("supabase_jwt_secret", "supabase_url"),
)

#: (may not be more than, this; when only the larger is given, the default is cut to a share)
_FITS_INTO = (
    ("session_max_bytes", "memory_budget", 1),
    ("ring_bytes", "memory_budget", 4),
    ("chat_max_bytes", "memory_budget", 8),
    ("worker_heartbeat_seconds", "worker_hung_seconds", 4),
)

ROWS: tuple[Row, ...] = tuple(Row(name=item.name, **item.metadata) for item in fields(Settings))
_BY_VARIABLE = {row.variable: row for row in ROWS}


def _fitted(settings: Settings, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults that are too large for what was given, cut down."""
    return {
        small: limit
        for small, large, share in _FITS_INTO
        if small not in given
        and getattr(settings, small) > (limit := _share(getattr(settings, large), share))
    }


def _share(value: float, share: int) -> float:
    return value // share if isinstance(value, int) else value / share


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _shown(settings: Settings, name: str) -> str:
    return _BY_VARIABLE[_variable(name)].kind.show(getattr(settings, name))


def _is_unknown(name: str) -> bool:
    return name.upper().startswith(PREFIX) and name not in _BY_VARIABLE


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name.upper(), _BY_VARIABLE, n=1)
    hint = f"Did you mean {near[0]}?" if near else "`zapd env-example` lists those there are."
    return f"{name[:80]} is not a setting. {hint}"
