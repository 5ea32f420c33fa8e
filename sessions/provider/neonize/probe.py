"""The question that tells a deaf line from a quiet one.

The core pings by itself, and a server can answer pings while it serves nothing else. So what
is asked is a real question: whether the account's own number is on WhatsApp. It names no
stranger, changes nothing, is never answered from a cache of the library, and any answer will
do, a refusal too.
"""

from __future__ import annotations

import asyncio

from neonize.exc import NeonizeError

from sessions.ids import jid_user
from sessions.provider.neonize import failures
from sessions.provider.neonize.calls import Calls
from sessions.provider.neonize.core import Core, CoreNotReady

#: Seconds; the library itself would wait 75.
PROBE_PATIENCE = 15.0
_NO_ANSWER = ("timeout", "not_connected")


async def answers(core: Core, calls: Calls, own: str) -> bool:
    """Tell whether WhatsApp answers within ``PROBE_PATIENCE``; ``own`` is the account's JID.

    A thread that got no answer is freed by the disconnect that follows.
    """
    try:
        async with asyncio.timeout(PROBE_PATIENCE):
            await calls.make(core.ask_about, f"+{jid_user(own)}")
    except (TimeoutError, CoreNotReady):
        return False
    except NeonizeError as error:
        return failures.send_reason(str(error)) not in _NO_ANSWER
    return True
