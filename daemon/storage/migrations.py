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

# What every row of metadata has (daemon/metadata/models.py); times in milliseconds.
_OF_ROW = """version INTEGER NOT NULL,
        op_id TEXT NOT NULL,
        actor_id TEXT NOT NULL,
        actor_name TEXT NOT NULL,
        actor_kind TEXT NOT NULL,
        changed_at INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        deleted_at INTEGER"""
_OF_WORKSPACE = "workspace TEXT NOT NULL REFERENCES workspaces(id) ON DELETE CASCADE"

# No foreign key to sessions: notes about a customer outlive the pairing that they came from.
# No unique names: what others wrote elsewhere is taken as it is; writes of ours are checked.
_METADATA = (
    f"""CREATE TABLE members(
        {_OF_WORKSPACE},
        user TEXT NOT NULL,
        role TEXT NOT NULL,
        name TEXT,
        permissions TEXT NOT NULL,
        sessions TEXT,
        active INTEGER NOT NULL,
        {_OF_ROW},
        PRIMARY KEY(workspace, user)
    ) STRICT, WITHOUT ROWID""",
    f"""CREATE TABLE tags(
        {_OF_WORKSPACE},
        id TEXT NOT NULL,
        name TEXT NOT NULL,
        color TEXT NOT NULL,
        position INTEGER NOT NULL,
        {_OF_ROW},
        PRIMARY KEY(workspace, id)
    ) STRICT, WITHOUT ROWID""",
    f"""CREATE TABLE assignments(
        {_OF_WORKSPACE},
        session TEXT NOT NULL,
        jid TEXT NOT NULL,
        assignee TEXT,
        assigned_by TEXT,
        status TEXT NOT NULL,
        priority INTEGER NOT NULL,
        snoozed_until INTEGER,
        {_OF_ROW},
        PRIMARY KEY(workspace, session, jid)
    ) STRICT, WITHOUT ROWID""",
    """CREATE INDEX assignments_due ON assignments(snoozed_until)
        WHERE status = 'snoozed' AND deleted_at IS NULL""",
    f"""CREATE TABLE chat_tags(
        {_OF_WORKSPACE},
        session TEXT NOT NULL,
        jid TEXT NOT NULL,
        tag TEXT NOT NULL,
        {_OF_ROW},
        PRIMARY KEY(workspace, session, jid, tag)
    ) STRICT, WITHOUT ROWID""",
    f"""CREATE TABLE notes(
        {_OF_WORKSPACE},
        id TEXT NOT NULL,
        session TEXT NOT NULL,
        jid TEXT NOT NULL,
        author TEXT NOT NULL,
        body TEXT NOT NULL,
        {_OF_ROW},
        PRIMARY KEY(workspace, id)
    ) STRICT""",
    """CREATE INDEX notes_chat ON notes(workspace, session, jid, created_at, id)
        WHERE deleted_at IS NULL""",
    f"""CREATE TABLE quick_replies(
        {_OF_WORKSPACE},
        id TEXT NOT NULL,
        shortcut TEXT NOT NULL,
        body TEXT NOT NULL,
        owner TEXT,
        {_OF_ROW},
        PRIMARY KEY(workspace, id)
    ) STRICT""",
    f"""CREATE TABLE settings(
        {_OF_WORKSPACE},
        scope TEXT NOT NULL,
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        {_OF_ROW},
        PRIMARY KEY(workspace, scope, name)
    ) STRICT""",
    f"""CREATE TABLE activity(
        {_OF_WORKSPACE},
        id TEXT NOT NULL,
        at INTEGER NOT NULL,
        actor_id TEXT NOT NULL,
        actor_name TEXT NOT NULL,
        actor_kind TEXT NOT NULL,
        action TEXT NOT NULL,
        session TEXT,
        jid TEXT,
        data TEXT NOT NULL,
        PRIMARY KEY(workspace, at, id)
    ) STRICT, WITHOUT ROWID""",
    """CREATE INDEX activity_chat ON activity(workspace, session, jid, at, id)
        WHERE jid IS NOT NULL""",
    """CREATE INDEX activity_actor ON activity(workspace, actor_id, at, id)""",
    # jid: an address that proved to be the person of `canonical`
    f"""CREATE TABLE chat_aliases(
        {_OF_WORKSPACE},
        session TEXT NOT NULL,
        jid TEXT NOT NULL,
        canonical TEXT NOT NULL,
        PRIMARY KEY(workspace, session, jid)
    ) STRICT, WITHOUT ROWID""",
    """CREATE INDEX chat_aliases_canonical ON chat_aliases(workspace, session, canonical)""",
    # What is to be sent to Supabase (outbox.py). One row a key: a newer write takes its place.
    f"""CREATE TABLE outbox(
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        {_OF_WORKSPACE},
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        op_id TEXT NOT NULL,
        doc BLOB NOT NULL,
        at INTEGER NOT NULL,
        due_at INTEGER NOT NULL,
        tries INTEGER NOT NULL,
        UNIQUE(workspace, kind, key)
    ) STRICT""",
    """CREATE INDEX outbox_next ON outbox(kind, seq)""",
    f"""CREATE TABLE dead_letters(
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        {_OF_WORKSPACE},
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        op_id TEXT NOT NULL,
        doc BLOB NOT NULL,
        at INTEGER NOT NULL,
        buried_at INTEGER NOT NULL,
        tries INTEGER NOT NULL,
        code TEXT NOT NULL,
        reason TEXT NOT NULL,
        UNIQUE(workspace, kind, key)
    ) STRICT""",
    # How far what others wrote in Supabase has been read, a text as Supabase gave it
    f"""CREATE TABLE sync_marks(
        {_OF_WORKSPACE},
        kind TEXT NOT NULL,
        mark TEXT NOT NULL,
        PRIMARY KEY(workspace, kind)
    ) STRICT, WITHOUT ROWID""",
    # The UUID that Supabase has for the workspace
    """CREATE TABLE supabase_workspaces(
        workspace TEXT PRIMARY KEY REFERENCES workspaces(id) ON DELETE CASCADE,
        id TEXT NOT NULL UNIQUE
    ) STRICT, WITHOUT ROWID""",
)

_PEOPLE = (
    # Exports and erasures (jobs.py), done in the order of `seq`; request and report are JSON
    f"""CREATE TABLE jobs(
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        {_OF_WORKSPACE},
        kind TEXT NOT NULL,
        state TEXT NOT NULL,
        actor TEXT NOT NULL,
        request BLOB NOT NULL,
        progress INTEGER NOT NULL,
        report BLOB NOT NULL,
        code TEXT,
        detail TEXT,
        tries INTEGER NOT NULL,
        due_at INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL
    ) STRICT""",
    """CREATE INDEX jobs_workspace ON jobs(workspace, kind, seq)""",
    """CREATE INDEX jobs_open ON jobs(seq) WHERE state IN ('waiting', 'running')""",
    # Where `zapd backup` wrote: what was erased since is still there
    """CREATE TABLE backups(
        file TEXT PRIMARY KEY,
        made_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
)

# Whom a browser signs in as: a member's `user`; null is the console.
_SIGNED_IN_AS = (
    "ALTER TABLE login_links ADD COLUMN user TEXT",
    "ALTER TABLE browser_sessions ADD COLUMN user TEXT",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _METADATA, _PEOPLE, _SIGNED_IN_AS)
