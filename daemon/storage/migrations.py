"""The database's shape, in numbered steps. A step that was released is never changed.

``PRAGMA user_version`` is the number of steps that a file has had.
"""

from __future__ import annotations

_FIRST = (
    """CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT""",
    """CREATE TABLE workspaces(
        id TEXT PRIMARY KEY,
        jwt_secret TEXT NOT NULL,
        token_scopes TEXT NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE sessions(
        workspace TEXT NOT NULL REFERENCES workspaces(id) ON DELETE CASCADE,
        id TEXT NOT NULL,
        label TEXT NOT NULL,
        provider TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        wanted INTEGER NOT NULL,
        paired INTEGER NOT NULL,
        synced INTEGER NOT NULL,
        jid TEXT,
        lid TEXT,
        state TEXT NOT NULL,
        code TEXT,
        detail TEXT,
        PRIMARY KEY(workspace, id)
    ) STRICT""",
    # hash: what the daemon keeps in memory of the chat (known_chats.py)
    """CREATE TABLE known_chats(
        workspace TEXT NOT NULL,
        session TEXT NOT NULL,
        hash INTEGER NOT NULL,
        jid TEXT NOT NULL,
        PRIMARY KEY(workspace, session, hash),
        FOREIGN KEY(workspace, session) REFERENCES sessions(workspace, id) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE sends(
        seq INTEGER PRIMARY KEY,
        workspace TEXT NOT NULL,
        session TEXT NOT NULL,
        id TEXT NOT NULL,
        chat TEXT NOT NULL,
        text TEXT NOT NULL,
        reply_wa_id TEXT,
        reply_sender TEXT,
        reply_text TEXT,
        key TEXT,
        body_hash BLOB NOT NULL,
        head BLOB NOT NULL,
        at INTEGER NOT NULL,
        state TEXT NOT NULL,
        wa_id TEXT,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        UNIQUE(workspace, id),
        FOREIGN KEY(workspace, session) REFERENCES sessions(workspace, id) ON DELETE CASCADE
    ) STRICT""",
    """CREATE UNIQUE INDEX sends_key ON sends(workspace, session, key) WHERE key IS NOT NULL""",
    """CREATE INDEX sends_unfinished ON sends(at) WHERE state IN ('accepted', 'trying')""",
    """CREATE INDEX sends_updated ON sends(updated_at)""",
    """CREATE INDEX sends_session ON sends(workspace, session)""",
    """CREATE TABLE api_keys(
        id TEXT PRIMARY KEY,
        workspace TEXT NOT NULL REFERENCES workspaces(id) ON DELETE CASCADE,
        hash BLOB NOT NULL,
        scopes TEXT NOT NULL,
        session TEXT,
        label TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        last_used_at INTEGER,
        revoked_at INTEGER
    ) STRICT""",
    """CREATE INDEX api_keys_workspace ON api_keys(workspace)""",
    """CREATE TABLE login_links(
        hash BLOB PRIMARY KEY,
        workspace TEXT NOT NULL REFERENCES workspaces(id) ON DELETE CASCADE,
        expires_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE browser_sessions(
        hash BLOB PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        workspace TEXT NOT NULL REFERENCES workspaces(id) ON DELETE CASCADE,
        created_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL
    ) STRICT""",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST,)
