-- What zapd keeps of the past in a Supabase project with ZAPD_HISTORY=supabase: messages, chats and
-- contacts. Without that setting the tables stay empty.
--
-- 1. The gateway alone writes, by the functions zapd_history_* below and not otherwise: each call is
--    one transaction, finds the workspace by its slug, and can be repeated. Members read with their
--    own tokens, held to the sessions that they see.
-- 2. head and tail joined are the message as clients were told it, byte for byte: texts, not jsonb.
-- 3. A message has its place: milliseconds since 1970 << 20, and what arrived later in the same
--    millisecond has the next. It is unique in the workspace, and so is id, which the functions see
--    to (an index over all months could not without the place in it).
-- 4. Names are compared by their bytes (collate "C"), in the order that zapd has in its RAM.
-- 5. One partition a month, by place, in the schema history, which the Data API does not show: in
--    public a partition could be read past the policies of the whole. What is dated before 2009 or
--    after the month after next lies in messages_default. Retention drops months.

create schema history;
revoke all on schema history from public;

create table history.writers (
  writer uuid primary key,
  stamp  bigint not null,
  at     timestamptz not null default now()
);
alter table history.writers enable row level security;

-- --------------------------------------------------------------------------------- words and places

-- Texts without case and accents, and with spaces for ASCII's punctuation: PostgreSQL's parser would
-- keep addresses, decimals and paths together. Without the extension unaccent, which is not immutable.
create function private.history_fold(said text) returns text
language sql immutable strict parallel safe set search_path = '' as $$
  select translate(lower(regexp_replace(normalize(said, nfkd), '[\u0300-\u036f]', '', 'g')),
                   '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~', repeat(' ', 32))
$$;
-- The workspace is among the words, with a # that no text keeps: who has few messages does not
-- search through those of all.
create function private.history_scope(workspace_id uuid) returns text
language sql immutable strict parallel safe set search_path = '' as $$
  select '#' || replace(workspace_id::text, '-', '')
$$;
-- No stemming: texts are in several languages, and the embedded history has none either.
create function private.history_words(workspace_id uuid, said text) returns tsvector
language sql immutable strict parallel safe set search_path = '' as $$
  select to_tsvector('pg_catalog.simple', private.history_fold(left(said, 100000)))
         || array_to_tsvector(array[private.history_scope(workspace_id)])
$$;
-- All the words, the last one as a beginning; null where one of them is none.
create function private.history_query(workspace_id uuid, words text[]) returns tsquery
language plpgsql immutable strict set search_path = '' as $$
declare
  found tsquery := format('''%s''', private.history_scope(workspace_id))::tsquery;
  word tsquery;
begin
  for i in 1 .. cardinality(words) loop
    word := phraseto_tsquery('pg_catalog.simple', private.history_fold(words[i]));
    if numnode(word) = 0 then
      return null;
    end if;
    found := found && case when i = cardinality(words) then (word::text || ':*')::tsquery else word end;
  end loop;
  return found;
end $$;

create function private.history_place(ms bigint) returns bigint
language sql immutable strict parallel safe set search_path = '' as $$
  select least(greatest(ms, 0), 8796093022207) << 20   -- what is dated after 2248 is placed there
$$;

-- ----------------------------------------------------------------------------------------- the tables

create table public.messages_history (
  workspace_id uuid not null references public.workspaces (id) on delete cascade,
  place        bigint not null,
  id           text not null,
  session_id   text collate "C" not null,
  chat_jid     text collate "C" not null,
  at_ms        bigint not null,                 -- milliseconds since 1970
  from_me      boolean not null,
  sender       text not null,
  type         text not null,
  text         text,                            -- what search looks at
  wa_id        text,
  head         text not null,
  tail         text not null,
  words        tsvector generated always as (private.history_words(workspace_id, text)) stored,
  primary key (workspace_id, place)
) partition by range (place);
create index messages_history_id on public.messages_history (workspace_id, id);
create index messages_history_chat
  on public.messages_history (workspace_id, session_id, chat_jid, place);
create index messages_history_sender
  on public.messages_history (workspace_id, sender) where sender <> chat_jid;
create index messages_history_sent
  on public.messages_history (workspace_id, wa_id) where from_me and wa_id is not null;
create index messages_history_words on public.messages_history using gin (words);
create table history.messages_default partition of public.messages_history default;
alter table history.messages_default enable row level security;

create table public.chats_history (
  workspace_id   uuid not null references public.workspaces (id) on delete cascade,
  session_id     text collate "C" not null,
  chat_jid       text collate "C" not null,
  pn             text,
  lid            text,
  name           text,
  picture_id     text,
  unread         integer not null,
  active_ms      bigint not null,               -- its last activity, milliseconds since 1970
  archived       boolean not null,
  pinned         boolean not null,
  muted_until_ms bigint,
  mark           bigint not null default 0,     -- up to where of the session's journal it counts; 0: unknown
  primary key (workspace_id, session_id, chat_jid)
);
create index chats_history_active
  on public.chats_history (active_ms, workspace_id, session_id, chat_jid);

create index chats_history_listed
  on public.chats_history (workspace_id, active_ms desc, (session_id || ':' || chat_jid));

create table public.contacts_history (
  workspace_id uuid not null references public.workspaces (id) on delete cascade,
  session_id   text collate "C" not null,
  jid          text collate "C" not null,
  body         text not null,                   -- JSON, as clients are told it
  primary key (workspace_id, session_id, jid)
);

-- ----------------------------------------------------------------------------------------- the months

create function private.history_months()
returns table (name text, first date, lower bigint, upper bigint)
language sql stable set search_path = '' as $$
  select m.name, m.first,
         private.history_place((extract(epoch from m.first::timestamp) * 1000)::bigint),
         private.history_place((extract(epoch from m.first + interval '1 month') * 1000)::bigint)
    from (select c.relname::text as name, to_date(right(c.relname, 6), 'YYYYMM') as first
            from pg_catalog.pg_inherits i join pg_catalog.pg_class c on c.oid = i.inhrelid
           where i.inhparent = 'public.messages_history'::regclass
             and c.relname ~ '^messages_[0-9]{6}$') m
$$;

-- PostgreSQL keeps samples of what is in a column, for its planner; not of who said what. Of the
-- words it keeps the most common ones: by them it knows when the index is of no use.
create function private.history_unsampled(part regclass) returns void
language plpgsql set search_path = '' as $$
declare name text;
begin
  for name in select a.attname from pg_catalog.pg_attribute a
               where a.attrelid = part and a.attnum > 0
                 and a.attname = any (array['id', 'chat_jid', 'sender', 'text', 'wa_id', 'head', 'tail',
                                            'pn', 'lid', 'name', 'picture_id', 'jid', 'body']) loop
    execute format('alter table %s alter column %I set statistics 0', part, name);
  end loop;
end $$;

-- Make the month's partition unless it is there; tell whether it was made.
create function private.history_cover(month date) returns boolean
language plpgsql set search_path = '' as $$
declare
  part constant text := 'messages_' || to_char(month, 'YYYYMM');
  lower bigint := private.history_place((extract(epoch from month::timestamp) * 1000)::bigint);
  upper bigint :=
    private.history_place((extract(epoch from month + interval '1 month') * 1000)::bigint);
  columns constant text := 'workspace_id, place, id, session_id, chat_jid, at_ms, from_me, sender,
                            type, text, wa_id, head, tail';
begin
  if to_regclass('history.' || part) is not null then
    return false;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('zapd_history months', 0));
  if to_regclass('history.' || part) is not null then
    return false;                               -- another made it meanwhile
  end if;
  execute format('create table history.%I (like public.messages_history including all)', part);
  execute format('alter table history.%I enable row level security', part);
  execute format('revoke all on history.%I from public, anon, authenticated, service_role', part);
  perform private.history_unsampled(format('history.%I', part)::regclass);
  execute format('with moved as (delete from history.messages_default
                                  where place >= %s and place < %s returning %s)
                  insert into history.%I (%3$s) select %3$s from moved', lower, upper, columns, part);
  execute format('alter table public.messages_history attach partition history.%I
                  for values from (%s) to (%s)', part, lower, upper);
  return true;
end $$;

select private.history_unsampled('public.messages_history');
select private.history_unsampled('history.messages_default');
select private.history_unsampled('public.chats_history');
select private.history_unsampled('public.contacts_history');

-- -------------------------------------------------------------------------------------------- the doors

-- What is called zapd_history_… is the gateway's alone: each of the next migrations closes what it
-- made, since a project's default rights may open every new function to everybody.
create function private.history_close() returns void
language plpgsql set search_path = '' as $$
declare name text;
begin
  for name in select p.oid::regprocedure::text from pg_catalog.pg_proc p
               where p.pronamespace = 'public'::regnamespace
                 and p.proname like 'zapd\_history\_%' loop
    execute format('revoke all on function %s from public, anon, authenticated', name);
    execute format('grant execute on function %s to service_role', name);
  end loop;
end $$;

revoke all on all tables in schema history from public, anon, authenticated, service_role;
revoke all on all functions in schema private from public;
do $$
declare name text;
begin
  foreach name in array array['messages_history', 'chats_history', 'contacts_history'] loop
    execute format('alter table public.%I enable row level security', name);
    execute format('revoke all on public.%I from public, anon, authenticated, service_role', name);
    execute format('grant select on public.%I to authenticated, service_role', name);
    execute format('create policy members_read on public.%I for select to authenticated using
      ((workspace_id, session_id) in (select * from private.my_sessions()))', name);
  end loop;
end $$;
