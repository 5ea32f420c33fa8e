-- What zapd keeps in a Supabase project: the metadata of a CRM, never a message or a credential.
-- For PostgreSQL 15 and later, as a Supabase project has it (roles, auth.uid(), auth.users).
--
-- 1. Every key begins with workspace_id, and references carry it: no row can point at another tenant.
-- 2. Nothing that a client follows is deleted: deleted_at is set. Realtime cannot hold a DELETE back
--    from those who may not read the row, and who polls by updated_at would never learn of it.
-- 3. Texts with checks in place of enums; every right is granted by name, none by default.
-- 4. Ids are made by the writer, and op_id with changed_at makes each write safe to repeat
--    (private.merge_guard): the gateway sends from an outbox, late and sometimes twice.
-- 5. The gateway writes with a secret key (role service_role, which no policy binds); people write
--    with their own tokens (role authenticated) and within the policies below.

create schema if not exists private;            -- not among the schemas that the Data API shows
revoke all on schema private from public;
grant usage on schema private to authenticated, service_role;

-- ------------------------------------------------------------------------------ tenants and people

create table public.workspaces (
  id          uuid primary key default gen_random_uuid(),
  slug        text not null unique check (slug ~ '^[a-z0-9][a-z0-9-]{0,59}$'),  -- zapd's workspace
  name        text not null check (length(name) between 1 and 120),             -- for people
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now(),
  deleted_at  timestamptz
);

create table public.workspace_members (
  workspace_id uuid not null references public.workspaces (id) on delete cascade,
  user_id      uuid not null,                   -- auth.users.id; see private.known_user
  role         text not null default 'agent'
               check (role in ('owner', 'admin', 'supervisor', 'agent', 'viewer')),
  display_name text check (length(display_name) <= 200),
  permissions  jsonb not null default '{}' check (jsonb_typeof(permissions) = 'object'),
  session_ids  text[],                          -- null: every session of the workspace
  active       boolean not null default true,
  version      bigint not null default 1,
  op_id        uuid,
  changed_by   uuid,
  changed_at   timestamptz not null default now(),
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now(),
  deleted_at   timestamptz,
  primary key (workspace_id, user_id)
);
create index workspace_members_user on public.workspace_members (user_id);

create table public.whatsapp_sessions (
  workspace_id   uuid not null references public.workspaces (id) on delete cascade,
  id             text not null check (id ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
  label          text not null default '',
  provider       text not null default 'whatsapp',
  phone          text,
  jid            text,                          -- the account's own address, once it is linked
  status         text not null default 'created'
                 check (status in ('created', 'starting', 'pairing', 'connecting', 'connected',
                                   'disconnected', 'logged_out', 'banned', 'failed')),
  status_code    text,                          -- why, as zapd's table of errors has it
  status_message text,
  version        bigint not null default 1,
  op_id          uuid,
  changed_by     uuid,
  changed_at     timestamptz not null default now(),
  created_at     timestamptz not null default now(),
  updated_at     timestamptz not null default now(),
  deleted_at     timestamptz,
  primary key (workspace_id, id)
);

-- ---------------------------------------------------------------------------------- work on chats

create table public.tags (
  workspace_id uuid not null references public.workspaces (id) on delete cascade,
  id           uuid not null default gen_random_uuid(),
  name         text not null check (length(name) between 1 and 100),
  color        text not null default '#888888' check (color ~ '^#[0-9a-fA-F]{6}$'),
  position     integer not null default 0,
  version      bigint not null default 1,
  op_id        uuid,
  changed_by   uuid,
  changed_at   timestamptz not null default now(),
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now(),
  deleted_at   timestamptz,
  primary key (workspace_id, id)
);
create unique index tags_name on public.tags (workspace_id, lower(name)) where deleted_at is null;

create table public.chat_assignments (
  workspace_id  uuid not null,
  session_id    text not null,
  chat_jid      text not null check (length(chat_jid) between 3 and 128),
  assignee_id   uuid,                           -- null: nobody's
  assigned_by   uuid,
  status        text not null default 'open'
                check (status in ('open', 'pending', 'snoozed', 'closed')),
  priority      smallint not null default 0 check (priority between -100 and 100),
  snoozed_until timestamptz,
  version       bigint not null default 1,
  op_id         uuid,
  changed_by    uuid,
  changed_at    timestamptz not null default now(),
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now(),
  deleted_at    timestamptz,
  primary key (workspace_id, session_id, chat_jid),
  foreign key (workspace_id, session_id)
    references public.whatsapp_sessions (workspace_id, id) on delete cascade,
  foreign key (workspace_id, assignee_id)
    references public.workspace_members (workspace_id, user_id) on delete set null (assignee_id)
);
create index chat_assignments_assignee
  on public.chat_assignments (workspace_id, assignee_id, status) where deleted_at is null;

create table public.chat_tags (
  workspace_id uuid not null,
  session_id   text not null,
  chat_jid     text not null check (length(chat_jid) between 3 and 128),
  tag_id       uuid not null,
  added_by     uuid,
  version      bigint not null default 1,
  op_id        uuid,
  changed_by   uuid,
  changed_at   timestamptz not null default now(),
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now(),
  deleted_at   timestamptz,                     -- to take a tag off: set this
  primary key (workspace_id, session_id, chat_jid, tag_id),
  foreign key (workspace_id, session_id)
    references public.whatsapp_sessions (workspace_id, id) on delete cascade,
  foreign key (workspace_id, tag_id) references public.tags (workspace_id, id) on delete cascade
);
create index chat_tags_tag on public.chat_tags (workspace_id, tag_id) where deleted_at is null;

create table public.chat_notes (
  workspace_id uuid not null,
  id           uuid not null default gen_random_uuid(),
  session_id   text not null,
  chat_jid     text not null check (length(chat_jid) between 3 and 128),
  author_id    uuid,                            -- null: the gateway's, for who is no member
  body         text not null check (length(body) between 1 and 20000),
  version      bigint not null default 1,
  op_id        uuid,
  changed_by   uuid,
  changed_at   timestamptz not null default now(),
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now(),
  deleted_at   timestamptz,
  primary key (workspace_id, id),
  foreign key (workspace_id, session_id)
    references public.whatsapp_sessions (workspace_id, id) on delete cascade
);
create index chat_notes_chat
  on public.chat_notes (workspace_id, session_id, chat_jid, created_at desc)
  where deleted_at is null;

-- ------------------------------------------------------------------------- texts, settings, the log

create table public.quick_replies (
  workspace_id uuid not null references public.workspaces (id) on delete cascade,
  id           uuid not null default gen_random_uuid(),
  shortcut     text not null check (length(shortcut) between 1 and 64 and shortcut !~ '\s'),
  body         text not null check (length(body) between 1 and 65536),
  owner_id     uuid,                            -- null: everybody's
  version      bigint not null default 1,
  op_id        uuid,
  changed_by   uuid,
  changed_at   timestamptz not null default now(),
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now(),
  deleted_at   timestamptz,
  primary key (workspace_id, id)
);
create unique index quick_replies_shortcut
  on public.quick_replies (workspace_id, lower(shortcut), owner_id) nulls not distinct
  where deleted_at is null;

create table public.settings (
  workspace_id uuid not null references public.workspaces (id) on delete cascade,
  scope        text not null default 'workspace'
               check (scope ~ '^(workspace|session:[a-z0-9][a-z0-9_-]{0,63}|user:.{1,200})$'),
  key          text not null check (length(key) between 1 and 120),
  value        jsonb,
  version      bigint not null default 1,
  op_id        uuid,
  changed_by   uuid,
  changed_at   timestamptz not null default now(),
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now(),
  deleted_at   timestamptz,
  primary key (workspace_id, scope, key)
);

create table public.activity_log (
  workspace_id uuid not null references public.workspaces (id) on delete cascade,
  id           uuid not null,                   -- a UUIDv7 of the writer: sent twice, stored once
  at           timestamptz not null default now(),
  actor_id     uuid,                            -- null: no member
  actor_name   text,
  actor_kind   text not null default 'system'
               check (actor_kind in ('user', 'gateway', 'system', 'external')),
  action       text not null check (length(action) between 1 and 100),
  session_id   text,                            -- null: of the workspace, not of one session
  chat_jid     text,
  data         jsonb not null default '{}' check (jsonb_typeof(data) = 'object'),
  primary key (workspace_id, id)
);
create index activity_log_time on public.activity_log (workspace_id, at desc);
create index activity_log_chat
  on public.activity_log (workspace_id, session_id, chat_jid, at desc) where chat_jid is not null;

-- ------------------------------------------------------------------------------------- the triggers

-- One rule for every row that more than one writer changes. A write says who it is by op_id and when
-- it was meant by changed_at; who sends neither (a plain UPDATE of the CRM) is stamped here.
create function private.merge_guard() returns trigger
language plpgsql set search_path = '' as $$
declare
  marks constant text[] := '{op_id,changed_by,changed_at,created_at,updated_at,version}';
  now_ constant timestamptz := clock_timestamp();
begin
  if tg_op = 'UPDATE' then
    if new.workspace_id <> old.workspace_id then
      raise exception 'workspace_id cannot be changed' using errcode = '22023';
    end if;
    if new.op_id is not distinct from old.op_id and to_jsonb(new) - marks = to_jsonb(old) - marks then
      return null;                              -- the same operation once more, or nothing new
    end if;
    if new.changed_at < old.changed_at then
      return null;                              -- late out of an outbox: the newer write stays
    end if;
    if new.op_id is not distinct from old.op_id then
      new.op_id := null;                        -- it was not sent: what stands there is another's
    end if;
    if new.changed_at = old.changed_at then
      new.changed_at := now_;                   -- likewise
    end if;
    new.version := old.version + 1;
    new.created_at := old.created_at;
  else
    new.version := 1;
    new.created_at := least(new.created_at, now_);
  end if;
  new.changed_by := coalesce(auth.uid(), new.changed_by);
  new.changed_at := least(new.changed_at, now_);  -- a clock that is ahead must not win for ever
  new.updated_at := now_;
  return new;
end $$;

create function private.touch() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.updated_at := clock_timestamp();
  return new;
end $$;

do $$
declare name text;
begin
  foreach name in array array['workspace_members', 'whatsapp_sessions', 'tags', 'chat_assignments',
                              'chat_tags', 'chat_notes', 'quick_replies', 'settings'] loop
    execute format('create trigger merge_guard before insert or update on public.%I
                    for each row execute function private.merge_guard()', name);
    execute format('create index %I on public.%I (workspace_id, updated_at)', name || '_sync', name);
  end loop;
end $$;
create trigger touch before update on public.workspaces
  for each row execute function private.touch();

-- A member is a user of the project. No foreign key holds that, since its cascade would take the
-- membership away without a trace: a user who goes leaves a membership that ended.
create function private.known_user() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if not exists (select from auth.users where id = new.user_id) then
    raise exception 'there is no user %', new.user_id using errcode = '23503';
  end if;
  return new;
end $$;
create trigger known_user before insert or update of user_id on public.workspace_members
  for each row execute function private.known_user();

create function private.user_gone() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update public.workspace_members set active = false, deleted_at = now()
   where user_id = old.id and deleted_at is null;
  return old;
end $$;
create trigger zapd_user_gone after delete on auth.users
  for each row execute function private.user_gone();

revoke all on all functions in schema private from public;

-- From here on nobody but the owner of the tables reaches a row; the next migration opens doors.
do $$
declare name text;
begin
  foreach name in array array['workspaces', 'workspace_members', 'whatsapp_sessions', 'tags',
                              'chat_assignments', 'chat_tags', 'chat_notes', 'quick_replies',
                              'settings', 'activity_log'] loop
    execute format('alter table public.%I enable row level security', name);
    execute format('revoke all on public.%I from public, anon, authenticated, service_role', name);
  end loop;
end $$;
