-- A person is forgotten: what zapd_erase_contact leaves of their chats names nobody. The gateway may
-- delete nothing itself; this it may call, with the secret key alone (role service_role).
--
-- Rows whose key has the address are given another, not deleted: Realtime would tell a DELETE with
-- its key to every subscriber of every workspace. Deleted they are as well, so that clients let go.

create function public.zapd_erase_contact(workspace uuid, session text, jids text[]) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  now_ constant timestamptz := clock_timestamp();
  users constant text[] := array(select split_part(jid, '@', 1) from unnest(jids) jid);
  assignments bigint; tags bigint; notes bigint; lines bigint;
begin
  update public.chat_assignments
     set chat_jid = 'erased-' || gen_random_uuid(), assignee_id = null, assigned_by = null,
         snoozed_until = null, deleted_at = now_, changed_at = greatest(changed_at, now_), op_id = null
   where workspace_id = workspace and session_id = session and chat_jid = any (jids);
  get diagnostics assignments = row_count;
  update public.chat_tags
     set chat_jid = 'erased-' || gen_random_uuid(), deleted_at = now_,
         changed_at = greatest(changed_at, now_), op_id = null
   where workspace_id = workspace and session_id = session and chat_jid = any (jids);
  get diagnostics tags = row_count;
  update public.chat_notes
     set chat_jid = 'erased-' || gen_random_uuid(), body = '-', deleted_at = now_,
         changed_at = greatest(changed_at, now_), op_id = null
   where workspace_id = workspace and session_id = session and chat_jid = any (jids);
  get diagnostics notes = row_count;
  delete from public.activity_log l
   where l.workspace_id = workspace and l.session_id = session
     and (l.chat_jid = any (jids)
          or exists (select from unnest(users) u where strpos(l.data::text, u) > 0));
  get diagnostics lines = row_count;
  return jsonb_build_object('assignments', assignments, 'chat_tags', tags, 'notes', notes,
                            'activity', lines);
end $$;
revoke all on function public.zapd_erase_contact(uuid, text, text[]) from public, anon, authenticated;
grant execute on function public.zapd_erase_contact(uuid, text, text[]) to service_role;
