-- What the gateway asks of the history: functions for the secret key alone (role service_role).

-- Places and marks are texts in JSON: numbers of their size lose digits in JavaScript.
create function private.history_row(m public.messages_history) returns json
language sql stable set search_path = '' as $$
  select json_build_array(m.place::text, m.session_id, m.chat_jid, m.id, m.at_ms, m.from_me,
                          m.sender, m.type, m.text, m.wa_id, m.head, m.tail)
$$;

-- Of the messages with our ids, or that a session sent and WhatsApp calls so, those that there are.
create function public.zapd_history_find(workspace text, ids text[]) returns json
language sql stable security definer set search_path = '' as $$
  select coalesce(json_agg(private.history_row(m)), '[]')
    from public.messages_history m join public.workspaces w on w.id = m.workspace_id
   where w.slug = $1 and m.id = any ($2)
$$;
create function public.zapd_history_sent(workspace text, session text, wa_ids text[]) returns json
language sql stable security definer set search_path = '' as $$
  select coalesce(json_agg(private.history_row(m)), '[]')
    from public.messages_history m join public.workspaces w on w.id = m.workspace_id
   where w.slug = $1 and m.wa_id = any ($3) and m.from_me and m.session_id = $2
$$;
-- The newest message of each chat: [{session, chat}].
create function public.zapd_history_last(workspace text, chats json) returns json
language sql stable security definer set search_path = '' as $$
  select coalesce(json_agg(private.history_row(p)), '[]')
    from public.workspaces w cross join json_to_recordset($2) as r (session text, chat text)
   cross join lateral (
         select * from public.messages_history m
          where m.workspace_id = w.id and m.session_id = r.session and m.chat_jid = r.chat
          order by m.place desc limit 1) p
   where w.slug = $1
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
                          c.active_ms, c.archived, c.pinned, c.muted_until_ms, c.mark::text,
                          c.workspace_id)
$$;
create function public.zapd_history_chats_of(workspace text, chats json) returns json
language sql stable security definer set search_path = '' as $$
  select coalesce(json_agg(private.history_chat(c, w.slug)), '[]')
    from json_to_recordset($2) as r (session text, chat text) join public.workspaces w on w.slug = $1
    join public.chats_history c
      on c.workspace_id = w.id and c.session_id = r.session and c.chat_jid = r.chat
$$;
-- Chats of some sessions (null: all), newest activity first, of one time by session:jid.
create function public.zapd_history_listed(
  workspace text, sessions text[], active_ms bigint, id text, at_most integer
) returns json
language sql stable security definer set search_path = '' as $$
  select coalesce(json_agg(private.history_chat(p, $1)), '[]')
    from (select c.* from public.chats_history c join public.workspaces w on w.id = c.workspace_id
           where w.slug = $1 and ($2 is null or c.session_id = any ($2))
             and ($3 is null or c.active_ms <= $3
                  and (c.active_ms < $3 or c.session_id || ':' || c.chat_jid > $4))
           order by c.active_ms desc, c.session_id || ':' || c.chat_jid limit $5) p
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
-- Contacts of some sessions (null: all) by session and address, after one; and those of addresses.
create function public.zapd_history_contacts_page(
  workspace text, sessions text[], session text, jid text, at_most integer
) returns json
language sql stable security definer set search_path = '' as $$
  select coalesce(json_agg(json_build_array($1, p.session_id, p.jid, p.body)), '[]')
    from (select c.* from public.contacts_history c join public.workspaces w on w.id = c.workspace_id
           where w.slug = $1 and ($2 is null or c.session_id = any ($2))
             and (c.session_id, c.jid) > (coalesce($3, ''), coalesce($4, ''))
           order by c.session_id, c.jid limit $5) p
$$;
create function public.zapd_history_contacts_of(workspace text, session text, jids text[])
returns json
language sql stable security definer set search_path = '' as $$
  select coalesce(json_agg(json_build_array($1, c.session_id, c.jid, c.body)), '[]')
    from public.contacts_history c join public.workspaces w on w.id = c.workspace_id
   where w.slug = $1 and c.session_id = $2 and c.jid = any ($3)
$$;

-- A session's messages, by place, that have one of these texts in head or tail; at most 1000, of the
-- next 50000 of the workspace. Nothing is indexed by who is quoted.
create function public.zapd_history_naming(
  workspace text, session text, texts text[], place text
) returns json
language plpgsql stable security definer set search_path = '' as $$
declare
  its constant uuid := (select w.id from public.workspaces w where w.slug = workspace);
  after constant bigint := coalesce(place::bigint, -1);
  bound bigint;
  found json;
begin
  select m.place into bound from public.messages_history m
   where m.workspace_id = its and m.place > after order by m.place offset 49999 limit 1;
  select json_agg(private.history_row(p)), case when count(*) = 1000 then max(p.place) else bound end
    into found, bound
    from (select * from public.messages_history m
           where m.workspace_id = its and m.place > after and (bound is null or m.place <= bound)
             and m.session_id = session
             and exists (select from unnest(texts) t where strpos(m.head, t) > 0 or strpos(m.tail, t) > 0)
           order by m.place limit 1000) p;
  return json_build_object('rows', coalesce(found, '[]'), 'next', bound::text);
end $$;

-- Messages with all the words, newest first. PostgreSQL cannot know how common a beginning of a word
-- is, and guesses wrong in both directions; so the ways are fixed here. A chat is read backwards. Of
-- a workspace the newest 5000 messages are read backwards, where what is common is found; what is
-- left is rare, and looked up month by month in the index of words. Conditions that are written as
-- functions are those that no index shall be used for.
create function public.zapd_history_search(query json) returns json
language plpgsql stable security definer set search_path = '' set enable_seqscan = off as $$
declare
  its constant uuid := (select w.id from public.workspaces w where w.slug = query ->> 'workspace');
  sought constant tsquery := private.history_query(
    its, array(select json_array_elements_text(query -> 'words')));
  sessions constant text[] := case when json_typeof(query -> 'sessions') = 'array'
    then array(select json_array_elements_text(query -> 'sessions')) end;
  senders constant text[] := case when json_typeof(query -> 'senders') = 'array'
    then array(select json_array_elements_text(query -> 'senders')) end;
  chats constant json := case when json_typeof(query -> 'chats') = 'array' then query -> 'chats' end;
  at_most constant integer := query ->> 'limit';
  since constant bigint := coalesce(private.history_place((query ->> 'since')::bigint), -1);
  upper bigint := least((query ->> 'before')::bigint,
                        case when (query ->> 'until')::bigint < 8796093022207
                        then private.history_place((query ->> 'until')::bigint + 1) end,
                        9223372036854775807);
  newest constant text := 'select * from %s m where %s and ($5 is null or m.session_id = any ($5))
      and ($6 is null or m.sender = any ($6)) and ($7 is null or m.type = $7)
    order by m.place desc limit $8';
  of_each constant text := 'select c.* from json_to_recordset($9) k (session text, chat text)
    cross join lateral (' || newest || ') c order by c.place desc limit $8';
  asked constant text := 'select coalesce(array_agg(private.history_row(p) order by p.place desc), ''{}'')
    from (' || case when chats is null then newest else of_each end || ') p';
  by_place constant text := 'm.workspace_id = $1 and m.place >= $3 and m.place < $4
                             and ts_match_vq(m.words, $2)';
  by_words constant text := 'm.words @@ $2 and uuid_eq(m.workspace_id, $1)
                             and int8ge(m.place, $3) and int8lt(m.place, $4)';
  bound bigint;
  part record;
  month json[];
  found json[];
begin
  if sought is null or cardinality(sessions) = 0 then
    return '[]';
  end if;
  if chats is null then
    select m.place into bound from public.messages_history m
     where m.workspace_id = its and m.place >= since and m.place < upper
     order by m.place desc offset 4999 limit 1;
  end if;
  execute format(asked, 'public.messages_history', by_place || case when chats is null then ''
                 else ' and m.session_id = k.session and m.chat_jid = k.chat' end)
    into found
    using its, sought, coalesce(bound, since), upper, sessions, senders, query ->> 'type', at_most, chats;
  if bound is not null then
    upper := bound;
    for part in select m.name, m.lower from private.history_months() m
                union all select 'messages_default', -1
                union all select 'messages_default', max(m.upper) from private.history_months() m
                order by lower desc loop
      exit when cardinality(found) >= at_most or upper <= since;
      continue when part.lower >= upper;
      execute format(asked, format('history.%I', part.name), by_words) into month
        using its, sought, greatest(part.lower, since), upper, sessions, senders, query ->> 'type',
              at_most - cardinality(found);
      found := found || month;
      upper := part.lower;
    end loop;
  end if;
  return array_to_json(found);
end $$;

-- -------------------------------------------------------------------------------------------- the doors

revoke all on all functions in schema private from public;
select private.history_close();

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
    'functions', (
      select jsonb_agg(f.proname order by f.proname) from pg_proc f
       where f.pronamespace = 'public'::regnamespace and f.proname like k.called
         and has_function_privilege('service_role', f.oid, 'execute')),
    'open_functions', (
      select jsonb_agg(f.oid::regprocedure::text order by f.proname) from pg_proc f
       where f.pronamespace = 'public'::regnamespace and f.proname like k.called
         and (has_function_privilege('anon', f.oid, 'execute')
              or has_function_privilege('authenticated', f.oid, 'execute')))))
    from pg_class c
    -- what the gateway calls, told with a table that it works on
    left join (values ('messages_history', 'zapd\_history\_%'),
                      ('chat_assignments', 'zapd\_erase\_%')) k (works_on, called)
      on k.works_on = c.relname
   where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
     and c.relname = any (array['workspaces', 'workspace_members', 'whatsapp_sessions', 'tags',
                                'chat_assignments', 'chat_tags', 'chat_notes', 'quick_replies',
                                'settings', 'activity_log', 'messages_history', 'chats_history',
                                'contacts_history'])
$$;
revoke all on function public.zapd_check() from public, anon, authenticated;
grant execute on function public.zapd_check() to service_role;
