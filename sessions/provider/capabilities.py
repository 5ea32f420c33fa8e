"""What each provider can do: one table, which the daemon reads without loading a core."""

from __future__ import annotations

from typing import NamedTuple

from sessions.models import ProviderName


class Capabilities(NamedTuple):
    """What a provider can do beyond what the port demands."""

    pairing_code: bool
    history_sync: bool  # sends the phone's history once, after pairing
    sandbox: bool  # obeys the sandbox commands
    choose_message_id: bool = False
    archive_on_phone: bool = False
    pin_on_phone: bool = False
    mute_on_phone: bool = False
    history_on_demand: bool = False


CAPABILITIES = {
    # neonize 0.5.2: app-state changes leave without their collection's name, and a request for
    # history cannot be marked as one for the phone; SendMessage takes no id.
    ProviderName.WHATSAPP: Capabilities(pairing_code=True, history_sync=True, sandbox=False),
    ProviderName.SANDBOX: Capabilities(pairing_code=True, history_sync=False, sandbox=True),
}
