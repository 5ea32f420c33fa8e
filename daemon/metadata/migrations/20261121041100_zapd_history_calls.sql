-- How the gateway writes the history: functions for the secret key alone (role service_role). Each is
-- one transaction, and takes on no more at once than it does well within the eight seconds that a
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
                      and m.place <= b.first + 1048575), b.first)
         + row_number() over (partition by b.workspace_id, b.first order by b.nth) - 1,
         b.id, b.session, b.chat, b.at, b.from_me, b.sender, b.type, b.text, b.wa_id, b.head, b.tail
    from batch b where b.known is null;

  delete from public.chats_history c
   using json_to_recordset(gone) as r (workspace text, session text, chat text)
    join public.workspaces w on w.slug = r.workspace
   where c.workspace_id = w.id and c.session_id = r.session and c.chat_jid = r.chat;
  insert into public.chats_history as c
  select w.id, r.session, r.chat, r.pn, r.lid, r.name, r.picture_id, r.unread, r.active_ms,
         r.archived, r.pinned, r.muted_until_ms, coalesce(r.mark, 0)
    from json_to_recordset(chats) as r (
           workspace text, session text, chat text, pn text, lid text, name text, picture_id text,
           unread integer, active_ms bigint, archived boolean, pinned boolean, muted_until_ms bigint,
           mark bigint)
    join public.workspaces w on w.slug = r.workspace
    on conflict (workspace_id, session_id, chat_jid) do update
    set (pn, lid, name, picture_id, unread, active_ms, archived, pinned, muted_until_ms, mark) =
        (excluded.pn, excluded.lid, excluded.name, excluded.picture_id, excluded.unread,
         excluded.active_ms, excluded.archived, excluded.pinned, excluded.muted_until_ms,
         excluded.mark)
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
-- but never this month; months whose files are empty; then the rest before keep_from. One month or
-- 5000 rows a call; more: again.
create function public.zapd_history_maintain(
  ahead integer default 2, keep_from bigint default null, most_bytes bigint default null
) returns json
language plpgsql security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  this constant date := date_trunc('month', now() at time zone 'UTC')::date;
  made bigint;
  victim text;
  is_due boolean;                               -- not only empty
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
  select m.name, coalesce(m.upper <= private.history_place(keep_from) or bytes > most_bytes, false)
    into victim, is_due from private.history_months() m
   where m.upper <= private.history_place(keep_from) or m.first < this
         and (bytes > most_bytes or pg_relation_size(('history.' || m.name)::regclass) = 0)
   order by m.first limit 1;
  if victim is not null then
    lock table only public.messages_history in access exclusive mode;
    execute format('select count(*) from history.%I', victim) into messages;
    if is_due or messages = 0 then              -- a row may have come before the lock
      execute format('drop table history.%I', victim);
    else
      victim := null;
      messages := 0;
    end if;
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

-- -------------------------------------------------------------------------------------------- the doors

revoke all on all functions in schema private from public;
select private.history_close();
select public.zapd_history_maintain();
