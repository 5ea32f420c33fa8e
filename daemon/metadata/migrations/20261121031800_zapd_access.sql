-- Who may do what with zapd's tables, for people with tokens of their own (role authenticated).
-- The same rules as the daemon's: a role gives abilities, a member's permissions add or take single
-- ones, for one session too, and session_ids narrows what of the workspace can be seen at all.

-- ---------------------------------------------------------------------------------- who I am, where

create function private.role_can(role text, ability text) returns boolean
language sql immutable set search_path = '' as $$
  select case
    when ability = 'view' then true
    when ability in ('assign_chats', 'set_status', 'tag_chats', 'write_notes', 'own_quick_replies',
                     'own_settings')
      then role in ('owner', 'admin', 'supervisor', 'agent')
    when ability in ('transfer_chats', 'delete_notes', 'manage_tags', 'manage_quick_replies',
                     'manage_settings')
      then role in ('owner', 'admin', 'supervisor')
    when ability = 'manage_members' then role in ('owner', 'admin')
    when ability = 'manage_owners' then role = 'owner'
    else false
  end
$$;

-- Whether a member may, in a session or as such. What is said of one session goes before what is
-- said of all, and that before the role; only true and false say something.
create function private.allowed(role text, permissions jsonb, ability text, session text)
returns boolean language sql immutable set search_path = '' as $$
  select coalesce(
    case permissions #> array['sessions', session, ability]
      when 'true' then true when 'false' then false end,
    case permissions -> ability when 'true' then true when 'false' then false end,
    private.role_can(role, ability))
$$;

create function private.my_memberships() returns setof public.workspace_members
language sql stable security definer set search_path = '' as $$
  select m.* from public.workspace_members m join public.workspaces w on w.id = m.workspace_id
   where m.user_id = auth.uid() and m.active and m.deleted_at is null and w.deleted_at is null
$$;

-- For writes, which touch few rows.
create function private.can(workspace uuid, ability text, session text default null) returns boolean
language sql stable security definer set search_path = '' as $$
  select exists (
    select from private.my_memberships() m
     where m.workspace_id = workspace
       and (session is null or m.session_ids is null or session = any (m.session_ids))
       and private.allowed(m.role, m.permissions, ability, session))
$$;

-- For reads, which may pass many: sets that are computed once a statement.
create function private.my_workspaces() returns setof uuid
language sql stable security definer set search_path = '' as $$
  select m.workspace_id from private.my_memberships() m
   where private.allowed(m.role, m.permissions, 'view', null)
$$;
create function private.my_sessions() returns table (workspace_id uuid, session_id text)
language sql stable security definer set search_path = '' as $$
  select s.workspace_id, s.id
    from private.my_memberships() m
    join public.whatsapp_sessions s on s.workspace_id = m.workspace_id
   where (m.session_ids is null or s.id = any (m.session_ids))
     and private.allowed(m.role, m.permissions, 'view', s.id)
$$;

-- Whether somebody can be given a chat of the session; nobody can.
create function private.works_in(workspace uuid, member uuid, session text) returns boolean
language sql stable security definer set search_path = '' as $$
  select member is null or exists (
    select from public.workspace_members m
     where m.workspace_id = workspace and m.user_id = member and m.active and m.deleted_at is null
       and (m.session_ids is null or session = any (m.session_ids)))
$$;

revoke all on all functions in schema private from public;
grant execute on function
  private.role_can(text, text), private.can(uuid, text, text), private.works_in(uuid, uuid, text),
  private.my_workspaces(), private.my_sessions() to authenticated;

-- ------------------------------------------------------------------------------------------- grants

grant usage on schema public to authenticated, service_role;
-- The gateway deletes nothing, so it may not.
grant select, insert, update on
  public.workspaces, public.workspace_members, public.whatsapp_sessions, public.tags,
  public.chat_assignments, public.chat_tags, public.chat_notes, public.quick_replies,
  public.settings to service_role;
grant select, insert on public.activity_log to service_role;

grant select on
  public.workspaces, public.workspace_members, public.whatsapp_sessions, public.tags,
  public.chat_assignments, public.chat_tags, public.chat_notes, public.quick_replies,
  public.settings, public.activity_log to authenticated;
grant insert, update on
  public.tags, public.chat_assignments, public.chat_tags, public.chat_notes, public.quick_replies,
  public.settings to authenticated;
grant update (name) on public.workspaces to authenticated;
grant update (role, display_name, permissions, session_ids, active, deleted_at)
  on public.workspace_members to authenticated;
-- No writes to whatsapp_sessions and activity_log: what they tell, the gateway alone knows.

-- ------------------------------------------------------------------------------------ the workspace

create policy members_read on public.workspaces for select to authenticated
  using (id in (select private.my_workspaces()));
create policy admins_rename on public.workspaces for update to authenticated
  using (private.can(id, 'manage_members')) with check (private.can(id, 'manage_members'));

create policy members_read on public.workspace_members for select to authenticated
  using (workspace_id in (select private.my_workspaces()));
-- An owner is made and unmade by owners.
create policy admins_update on public.workspace_members for update to authenticated
  using (private.can(workspace_id, 'manage_members')
         and (role <> 'owner' or private.can(workspace_id, 'manage_owners')))
  with check (private.can(workspace_id, 'manage_members')
              and (role <> 'owner' or private.can(workspace_id, 'manage_owners')));

create policy members_read on public.tags for select to authenticated
  using (workspace_id in (select private.my_workspaces()));
create policy managers_insert on public.tags for insert to authenticated
  with check (private.can(workspace_id, 'manage_tags'));
create policy managers_update on public.tags for update to authenticated
  using (private.can(workspace_id, 'manage_tags'))
  with check (private.can(workspace_id, 'manage_tags'));

create policy members_read on public.quick_replies for select to authenticated
  using (workspace_id in (select private.my_workspaces())
         and (owner_id is null or owner_id = (select auth.uid())));
do $$
declare
  mine constant text := $q$case when owner_id is null
      then private.can(workspace_id, 'manage_quick_replies')
      else owner_id = (select auth.uid()) and private.can(workspace_id, 'own_quick_replies') end$q$;
begin
  execute format('create policy owners_insert on public.quick_replies for insert to authenticated
                  with check (%s)', mine);
  execute format('create policy owners_update on public.quick_replies for update to authenticated
                  using (%1$s) with check (%1$s)', mine);
end $$;

-- ------------------------------------------------------------------------------ what has a session

create policy members_read on public.whatsapp_sessions for select to authenticated
  using ((workspace_id, id) in (select * from private.my_sessions()));
create policy members_read on public.chat_assignments for select to authenticated
  using ((workspace_id, session_id) in (select * from private.my_sessions()));
create policy members_read on public.chat_tags for select to authenticated
  using ((workspace_id, session_id) in (select * from private.my_sessions()));
create policy members_read on public.chat_notes for select to authenticated
  using ((workspace_id, session_id) in (select * from private.my_sessions()));
create policy members_read on public.activity_log for select to authenticated
  using (case when session_id is null
              then workspace_id in (select private.my_workspaces())
              else (workspace_id, session_id) in (select * from private.my_sessions()) end);

create policy members_read on public.settings for select to authenticated
  using (case split_part(scope, ':', 1)
         when 'workspace' then workspace_id in (select private.my_workspaces())
         when 'session' then (workspace_id, split_part(scope, ':', 2))
                             in (select * from private.my_sessions())
         else workspace_id in (select private.my_workspaces())
              and (scope = 'user:' || (select auth.uid())
                   or private.can(workspace_id, 'manage_settings')) end);
do $$
declare
  mine constant text := $q$case
    when scope = 'user:' || (select auth.uid()) then private.can(workspace_id, 'own_settings')
    when scope like 'session:%'
      then private.can(workspace_id, 'manage_settings', split_part(scope, ':', 2))
    else private.can(workspace_id, 'manage_settings') end$q$;
begin
  execute format('create policy managers_insert on public.settings for insert to authenticated
                  with check (%s)', mine);
  execute format('create policy managers_update on public.settings for update to authenticated
                  using (%1$s) with check (%1$s)', mine);
end $$;

do $$
declare
  -- Which of them it takes, goes by what changes: private.hold_assignment.
  any_ constant text := $q$private.can(workspace_id, 'assign_chats', session_id)
    or private.can(workspace_id, 'transfer_chats', session_id)
    or private.can(workspace_id, 'set_status', session_id)$q$;
begin
  execute format('create policy agents_insert on public.chat_assignments for insert
                  to authenticated with check (%s)', any_);
  execute format('create policy agents_update on public.chat_assignments for update
                  to authenticated using (%1$s) with check (%1$s)', any_);
end $$;

create policy agents_insert on public.chat_tags for insert to authenticated
  with check (private.can(workspace_id, 'tag_chats', session_id));
create policy agents_update on public.chat_tags for update to authenticated
  using (private.can(workspace_id, 'tag_chats', session_id))
  with check (private.can(workspace_id, 'tag_chats', session_id));

create policy authors_insert on public.chat_notes for insert to authenticated
  with check (author_id = (select auth.uid())
              and private.can(workspace_id, 'write_notes', session_id));
create policy authors_update on public.chat_notes for update to authenticated
  using (author_id = (select auth.uid())
         and private.can(workspace_id, 'write_notes', session_id))
  with check (author_id = (select auth.uid())
              and private.can(workspace_id, 'write_notes', session_id));
create policy deleters_update on public.chat_notes for update to authenticated
  using (private.can(workspace_id, 'delete_notes', session_id))
  with check (private.can(workspace_id, 'delete_notes', session_id));

-- ------------------------------------------------------------- what a policy cannot say: old and new

-- Who has a chat keeps it until they let go, unless somebody may take it. To delete a row that
-- names somebody is to take it from them.
create function private.hold_assignment() returns trigger
language plpgsql set search_path = '' as $$
declare
  me constant uuid := auth.uid();
  was public.chat_assignments;                  -- a row that was deleted holds nothing
begin
  if me is null then
    return new;                                 -- the gateway, which asked the same rules before
  end if;
  if tg_op = 'UPDATE' and (old.deleted_at is null or new.deleted_at is not null) then
    was := old;
  end if;
  if new.status <> 'snoozed' then
    new.snoozed_until := null;
  end if;
  if (new.status, new.priority, new.snoozed_until) is distinct from
     (coalesce(was.status, 'open'), coalesce(was.priority, 0::smallint), was.snoozed_until)
     and not private.can(new.workspace_id, 'set_status', new.session_id) then
    raise exception 'this needs the ability set_status' using errcode = '42501';
  end if;
  new.assigned_by := was.assigned_by;
  if new.assignee_id is distinct from was.assignee_id
     or new.deleted_at is not null and was.assignee_id is not null then
    if not private.can(new.workspace_id, case when coalesce(was.assignee_id, me) = me
                       then 'assign_chats' else 'transfer_chats' end, new.session_id) then
      raise exception 'the chat is not yours to give' using errcode = '42501';
    end if;
    if not private.works_in(new.workspace_id, new.assignee_id, new.session_id) then
      raise exception 'the assignee does not see this session' using errcode = '23503';
    end if;
    new.assigned_by := me;
  end if;
  return new;
end $$;
create trigger hold before insert or update on public.chat_assignments
  for each row execute function private.hold_assignment();

-- Nobody gives an ability that they do not have, to others or to themselves.
create function private.hold_member() returns trigger
language plpgsql set search_path = '' as $$
declare beyond text;
begin
  if auth.uid() is null or new.permissions = old.permissions then
    return new;
  end if;
  select min(given.key) into beyond
    from (select key, value from jsonb_each(new.permissions - 'sessions')
          union all
          select of_one.key, of_one.value
            from jsonb_each(coalesce(new.permissions -> 'sessions', '{}')) session,
                 jsonb_each(session.value) of_one) given
   where given.value = 'true' and not private.role_can(new.role, given.key)
     and not private.can(new.workspace_id, given.key);
  if beyond is not null then
    raise exception 'you do not have the ability %', beyond using errcode = '42501';
  end if;
  return new;
end $$;
create trigger hold before update on public.workspace_members
  for each row execute function private.hold_member();

-- A note is its author's word: others may take it away, never change it.
create function private.hold_note() returns trigger
language plpgsql set search_path = '' as $$
begin
  if auth.uid() is not null
     and (new.author_id is distinct from old.author_id
          or old.author_id is distinct from auth.uid()
             and (new.body, new.session_id, new.chat_jid)
                 is distinct from (old.body, old.session_id, old.chat_jid)) then
    raise exception 'the note is somebody else''s' using errcode = '42501';
  end if;
  return new;
end $$;
create trigger hold before update on public.chat_notes
  for each row execute function private.hold_note();

create function private.hold_chat_tag() returns trigger
language plpgsql set search_path = '' as $$
begin
  if auth.uid() is not null then
    new.added_by := case when tg_op = 'UPDATE' and old.deleted_at is null then old.added_by
                         else auth.uid() end;
  end if;
  return new;
end $$;
create trigger hold before insert or update on public.chat_tags
  for each row execute function private.hold_chat_tag();
revoke all on all functions in schema private from public;

-- ----------------------------------------------------------------------------------------- Realtime

do $$
declare name text;
begin
  if not exists (select from pg_publication where pubname = 'supabase_realtime') then
    create publication supabase_realtime;
  end if;
  foreach name in array array['workspace_members', 'whatsapp_sessions', 'tags', 'chat_assignments',
                              'chat_tags', 'chat_notes', 'quick_replies', 'settings'] loop
    if not exists (select from pg_publication_tables where pubname = 'supabase_realtime'
                    and schemaname = 'public' and tablename = name) then
      execute format('alter publication supabase_realtime add table public.%I', name);
    end if;
  end loop;
end $$;

-- ------------------------------------------------------------------------- for `zapd supabase check`

-- What is there, as far as the Data API itself does not tell: rights, RLS, publication, triggers.
create function public.zapd_check() returns jsonb
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
                         c.relname = 'workspace_members' and t.tgname = 'zapd_user_gone'))))
    from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
     and c.relname = any (array['workspaces', 'workspace_members', 'whatsapp_sessions', 'tags',
                                'chat_assignments', 'chat_tags', 'chat_notes', 'quick_replies',
                                'settings', 'activity_log'])
$$;
revoke all on function public.zapd_check() from public, anon, authenticated;
grant execute on function public.zapd_check() to service_role;
