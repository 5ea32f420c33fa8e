-- What the gateway asks of the history: functions for the secret key alone (role service_role). Each
-- is one transaction, and takes on no more at once than it does well within the eight seconds that a
-- project gives a request.

-- ---------------------------------------------------------------------------------------- the writing

-- A request that was given up may still arrive, after others: each call has a number of its writer's
-- that counts up, and one that comes late does nothing. Calls of one writer wait for each other here.
create function private.history_turn(its_writer uuid, its_stamp bigint) returns boolean
language plpgsql set search_path = '' as $$
begin
  insert into history.writers as w (writer, stamp) values (its_writer, its_stamp)
    on conflict (writer) do update set stamp = excluded.stamp, at = now()
    where w.stamp < excluded.stamp;
  return found;
end $$;

-- Messages, chats and contacts as they are now, each at most once; chats in gone are taken away.
-- Nested loops only: each row is looked up by its key, whatever the statistics of a new month say.
create function public.zapd_history_write(
  writer uuid, stamp bigint, workspaces text[], messages json, chats json, contacts json, gone json
) returns boolean
language plpgsql security definer
set search_path = '' set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  last_ms constant bigint := extract(
    epoch from date_trunc('month', now() at time zone 'UTC') + interval '3 months') * 1000;
begin
  if not private.history_turn(writer, stamp) then
    return false;
  end if;
  insert into public.workspaces (slug, name) select w, w from unnest(workspaces) w
    on conflict (slug) do nothing;
  perform pg_advisory_xact_lock(hashtextextended('zapd_history ' || w, 0))
     from (select w from unnest(workspaces) w order by w) sorted;
  perform private.history_cover(m.month)
     from (select distinct date_trunc('month', to_timestamp(r.at / 1000) at time zone 'UTC')::date
                  as month
             from json_to_recordset(messages) as r (at bigint)
            where r.at >= 1230768000000 and r.at < last_ms) m;

  with batch as materialized (
    select w.id as workspace_id, private.history_place(r.at) as first, r.*,
           (select m.place from public.messages_history m
             where m.workspace_id = w.id and m.id = r.id) as known
      from rows from (json_to_recordset(messages) as (
             workspace text, session text, chat text, id text, at bigint, from_me boolean,
             sender text, type text, text text, wa_id text, head text, tail text))
           with ordinality as r (workspace, session, chat, id, at, from_me, sender, type, text,
                                 wa_id, head, tail, nth)
      join public.workspaces w on w.slug = r.workspace
  ), changed as (
    update public.messages_history m
       set session_id = b.session, chat_jid = b.chat, sender = b.sender, type = b.type,
           text = b.text, wa_id = b.wa_id, head = b.head, tail = b.tail
      from batch b
     where m.workspace_id = b.workspace_id and m.place = b.known
       and (m.session_id, m.chat_jid, m.sender, m.type, m.text, m.wa_id, m.head, m.tail)
           is distinct from (b.session, b.chat, b.sender, b.type, b.text, b.wa_id, b.head, b.tail)
  )
  insert into public.messages_history (workspace_id, place, id, session_id, chat_jid, at_ms, from_me,
                                       sender, type, text, wa_id, head, tail)
  select b.workspace_id,
         coalesce((select max(m.place) + 1 from public.messages_history m
                    where m.workspace_id = b.workspace_id and m.place >= b.first
                      and m.place < b.first + 1048576), b.first)
         + row_number() over (partition by b.workspace_id, b.first order by b.nth) - 1,
         b.id, b.session, b.chat, b.at, b.from_me, b.sender, b.type, b.text, b.wa_id, b.head, b.tail
    from batch b where b.known is null;

  delete from public.chats_history c
   using json_to_recordset(gone) as r (workspace text, session text, chat text)
    join public.workspaces w on w.slug = r.workspace
   where c.workspace_id = w.id and c.session_id = r.session and c.chat_jid = r.chat;
  insert into public.chats_history as c
  select w.id, r.session, r.chat, r.pn, r.lid, r.name, r.picture_id, r.unread, r.active_ms,
         r.archived, r.pinned, r.muted_until_ms
    from json_to_recordset(chats) as r (
           workspace text, session text, chat text, pn text, lid text, name text, picture_id text,
           unread integer, active_ms bigint, archived boolean, pinned boolean, muted_until_ms bigint)
    join public.workspaces w on w.slug = r.workspace
    on conflict (workspace_id, session_id, chat_jid) do update
    set (pn, lid, name, picture_id, unread, active_ms, archived, pinned, muted_until_ms) =
        (excluded.pn, excluded.lid, excluded.name, excluded.picture_id, excluded.unread,
         excluded.active_ms, excluded.archived, excluded.pinned, excluded.muted_until_ms)
    where c is distinct from excluded;
  insert into public.contacts_history as c
  select w.id, r.session, r.jid, r.body
    from json_to_recordset(contacts) as r (workspace text, session text, jid text, body text)
    join public.workspaces w on w.slug = r.workspace
    on conflict (workspace_id, session_id, jid) do update set body = excluded.body
    where c.body <> excluded.body;
  return true;
end $$;

-- Remove what is of a session (jids null), or of these addresses in it: messages in their chats and
-- from them, the chats, the contacts. At most so many messages a call; more: call again.
create function public.zapd_history_erase(
  writer uuid, stamp bigint, workspace text, session text, jids text[], at_most integer
) returns json
language plpgsql security definer set search_path = '' as $$
declare
  its constant uuid := (select w.id from public.workspaces w where w.slug = workspace);
  places bigint[];
  messages bigint;
  chats bigint := 0;
  contacts bigint := 0;
begin
  if not private.history_turn(writer, stamp) then
    return null;
  end if;
  if jids is null then
    places := array(select m.place from public.messages_history m
                     where m.workspace_id = its and m.session_id = session limit at_most);
  else
    places := array(
      (select m.place from public.messages_history m
        where m.workspace_id = its and m.session_id = session and m.chat_jid = any (jids)
        limit at_most)
      union
      (select m.place from public.messages_history m
        where m.workspace_id = its and m.session_id = session and m.sender = any (jids)
          and m.sender <> m.chat_jid limit at_most)
      limit at_most);
  end if;
  delete from public.messages_history m where m.workspace_id = its and m.place = any (places);
  get diagnostics messages = row_count;
  if messages < at_most then
    delete from public.chats_history c
     where c.workspace_id = its and c.session_id = session
       and (jids is null or c.chat_jid = any (jids));
    get diagnostics chats = row_count;
    delete from public.contacts_history c
     where c.workspace_id = its and c.session_id = session and (jids is null or c.jid = any (jids));
    get diagnostics contacts = row_count;
  end if;
  return json_build_object('messages', messages, 'chats', chats, 'contacts', contacts,
                           'more', messages >= at_most);
end $$;

-- Make the partitions of this month and the next ones. Let the past go: whole months before
-- keep_from (milliseconds since 1970), or the oldest ones while all take more than most_bytes,
-- but never this month; then the rest before keep_from. One month or 5000 rows a call; more: again.
create function public.zapd_history_maintain(
  ahead integer default 2, keep_from bigint default null, most_bytes bigint default null
) returns json
language plpgsql security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  this constant date := date_trunc('month', now() at time zone 'UTC')::date;
  made bigint;
  victim text;
  messages bigint := 0;
  bytes numeric;
begin
  delete from history.writers w where w.at < now() - interval '30 days';
  select count(*) into made from generate_series(0, least(ahead, 2)) n
   where private.history_cover((this + n * interval '1 month')::date);
  if most_bytes is not null then
    select sum(pg_total_relation_size(p.relid)) into bytes
      from pg_partition_tree('public.messages_history') p where p.isleaf;
  end if;
  select m.name into victim from private.history_months() m
   where m.upper <= private.history_place(keep_from) or bytes > most_bytes and m.first < this
   order by m.first limit 1;
  if victim is not null then
    execute format('select count(*) from history.%I', victim) into messages;
    execute format('drop table history.%I', victim);
  elsif keep_from is not null then
    delete from public.messages_history m
     using (select o.workspace_id, o.place from public.messages_history o
             where o.place < private.history_place(keep_from) limit 5000) old
     where m.workspace_id = old.workspace_id and m.place = old.place;
    get diagnostics messages = row_count;
  end if;
  return json_build_object('created', made, 'dropped', victim, 'messages', messages,
                           'more', victim is not null or messages >= 5000);
end $$;

-- ---------------------------------------------------------------------------------------- the reading

-- Places are texts in JSON: numbers of their size lose digits in JavaScript.
create function private.history_row(m public.messages_history) returns json
language sql stable set search_path = '' as $$
  select json_build_array(m.place::text, m.session_id, m.chat_jid, m.id, m.at_ms, m.from_me,
                          m.sender, m.type, m.text, m.wa_id, m.head, m.tail)
$$;

create function public.zapd_history_message(workspace text, id text) returns json
language sql stable security definer set search_path = '' as $$
  select coalesce(json_agg(private.history_row(m)), '[]')
    from public.messages_history m join public.workspaces w on w.id = m.workspace_id
   where w.slug = $1 and m.id = $2
$$;

-- A chat's messages beyond a place: older ones newest first, or newer ones oldest first.
create function public.zapd_history_page(
  workspace text, session text, chat text, place text, newer boolean, at_most integer
) returns json
language plpgsql stable security definer set search_path = '' as $$
declare
  its constant uuid := (select w.id from public.workspaces w where w.slug = workspace);
  bound constant bigint := place;
  found json;
begin
  if newer then
    select json_agg(private.history_row(p)) into found from (
      select * from public.messages_history m
       where m.workspace_id = its and m.session_id = session and m.chat_jid = chat
         and m.place > bound order by m.place limit at_most) p;
  else
    select json_agg(private.history_row(p)) into found from (
      select * from public.messages_history m
       where m.workspace_id = its and m.session_id = session and m.chat_jid = chat
         and m.place < coalesce(bound, 9223372036854775807)
       order by m.place desc limit at_most) p;
  end if;
  return coalesce(found, '[]');
end $$;

create function private.history_chat(c public.chats_history, slug text) returns json
language sql stable set search_path = '' as $$
  select json_build_array(slug, c.session_id, c.chat_jid, c.pn, c.lid, c.name, c.picture_id, c.unread,
                          c.active_ms, c.archived, c.pinned, c.muted_until_ms, c.workspace_id)
$$;
create function public.zapd_history_chat(workspace text, session text, chat text) returns json
language sql stable security definer set search_path = '' as $$
  select coalesce(json_agg(private.history_chat(c, w.slug)), '[]')
    from public.chats_history c join public.workspaces w on w.id = c.workspace_id
   where w.slug = $1 and c.session_id = $2 and c.chat_jid = $3
$$;
-- All chats, newest activity first, after one of them: [active_ms, workspace_id, session, jid].
create function public.zapd_history_chats(after json, at_most integer) returns json
language sql stable security definer set search_path = '' as $$
  select coalesce(json_agg(private.history_chat(p, (
           select w.slug from public.workspaces w where w.id = p.workspace_id))), '[]')
    from (select * from public.chats_history c
           where after is null
              or (c.active_ms, c.workspace_id, c.session_id, c.chat_jid)
                 < ((after ->> 0)::bigint, (after ->> 1)::uuid, after ->> 2, after ->> 3)
           order by c.active_ms desc, c.workspace_id desc, c.session_id desc, c.chat_jid desc
           limit at_most) p
$$;
-- All contacts after one of them: [workspace_id, session, jid].
create function public.zapd_history_contacts(after json, at_most integer) returns json
language sql stable security definer set search_path = '' as $$
  select coalesce(json_agg(json_build_array(
           (select w.slug from public.workspaces w where w.id = p.workspace_id),
           p.session_id, p.jid, p.body, p.workspace_id)), '[]')
    from (select * from public.contacts_history c
           where after is null
              or (c.workspace_id, c.session_id, c.jid)
                 > ((after ->> 0)::uuid, after ->> 1, after ->> 2)
           order by c.workspace_id, c.session_id, c.jid limit at_most) p
$$;

-- Messages with all the words, newest first. Month by month, and planned for each: a word that is
-- everywhere is found in the newest month, a rare one by the index, and neither by sorting years.
create function public.zapd_history_search(query json) returns json
language plpgsql stable security definer set search_path = '' as $$
declare
  its constant uuid := (select w.id from public.workspaces w where w.slug = query ->> 'workspace');
  sought constant tsquery := private.history_query(
    its, array(select json_array_elements_text(query -> 'words')));
  sessions constant text[] := case when json_typeof(query -> 'sessions') = 'array'
    then array(select json_array_elements_text(query -> 'sessions')) end;
  at_most constant integer := query ->> 'limit';
  since constant bigint := coalesce(private.history_place((query ->> 'since')::bigint), -1);
  upper bigint := least((query ->> 'before')::bigint,
                        private.history_place((query ->> 'until')::bigint + 1), 9223372036854775807);
  lower bigint;
  month json[];
  found json[] := '{}';
begin
  if sought is null or cardinality(sessions) = 0 then
    return '[]';
  end if;
  for lower in select m.lower from private.history_months() m
               union all select -1 order by 1 desc loop
    continue when lower >= upper;
    execute 'select array_agg(private.history_row(p) order by p.place desc) from (
               select * from public.messages_history m
                where m.workspace_id = $1 and m.words @@ $2 and m.place >= $3 and m.place < $4
                  and ($5 is null or m.session_id = any ($5))
                  and ($6 is null or m.session_id = $6 and m.chat_jid = $7)
                  and ($8 is null or m.sender = $8) and ($9 is null or m.type = $9)
                order by m.place desc limit $10) p'
      into month
      using its, sought, greatest(lower, since), upper, sessions, query ->> 'session',
            query ->> 'chat', query ->> 'sender', query ->> 'type', at_most - cardinality(found);
    found := found || month;
    exit when cardinality(found) >= at_most or lower <= since;
    upper := lower;
  end loop;
  return array_to_json(found);
end $$;

-- -------------------------------------------------------------------------------------------- the doors

revoke all on all functions in schema private from public;
do $$
declare name text;
begin
  for name in select p.oid::regprocedure::text from pg_catalog.pg_proc p
               where p.pronamespace = 'public'::regnamespace
                 and p.proname like 'zapd\_history\_%' loop
    execute format('revoke all on function %s from public, anon, authenticated', name);
    execute format('grant execute on function %s to service_role', name);
  end loop;
end $$;
select public.zapd_history_maintain();

-- ------------------------------------------------------------------------- for `zapd supabase check`

create or replace function public.zapd_check() returns jsonb
language sql stable security invoker set search_path = '' as $$
  select jsonb_object_agg(c.relname, jsonb_build_object(
    'rights', (select jsonb_agg(p) from unnest(array['select', 'insert', 'update', 'delete']) p
                where has_table_privilege('service_role', c.oid, p)),
    'anon', has_table_privilege('anon', c.oid, 'select, insert, update, delete'),
    'rls', c.relrowsecurity,
    'policies', (select count(*) from pg_policies p
                  where p.schemaname = 'public' and p.tablename = c.relname),
    'published', exists (select from pg_publication_tables t where t.pubname = 'supabase_realtime'
                          and t.schemaname = 'public' and t.tablename = c.relname),
    'triggers', (select coalesce(jsonb_agg(t.tgname order by t.tgname), '[]') from pg_trigger t
                  where not t.tgisinternal and t.tgenabled in ('O', 'A')
                    and (t.tgrelid = c.oid or
                         c.relname = 'workspace_members' and t.tgname = 'zapd_user_gone')),
    'functions', case when c.relname = 'messages_history' then (
      select coalesce(jsonb_agg(f.proname order by f.proname), '[]') from pg_proc f
       where f.pronamespace = 'public'::regnamespace and f.proname like 'zapd\_history\_%'
         and has_function_privilege('service_role', f.oid, 'execute')) end,
    'open_functions', case when c.relname = 'messages_history' then (
      select coalesce(jsonb_agg(f.oid::regprocedure::text order by f.proname), '[]') from pg_proc f
       where f.pronamespace = 'public'::regnamespace and f.proname like 'zapd\_history\_%'
         and (has_function_privilege('anon', f.oid, 'execute')
              or has_function_privilege('authenticated', f.oid, 'execute'))) end))
    from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
     and c.relname = any (array['workspaces', 'workspace_members', 'whatsapp_sessions', 'tags',
                                'chat_assignments', 'chat_tags', 'chat_notes', 'quick_replies',
                                'settings', 'activity_log', 'messages_history', 'chats_history',
                                'contacts_history'])
$$;
revoke all on function public.zapd_check() from public, anon, authenticated;
grant execute on function public.zapd_check() to service_role;
