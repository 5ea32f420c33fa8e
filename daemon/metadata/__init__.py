"""What people add to chats: assignments, tags, notes, quick replies, settings, members.

Small rows that outlive the memory. They are kept in the embedded database; where Supabase is
configured they are written there too, through an outbox, and what others write there is learned.
"""

from __future__ import annotations
