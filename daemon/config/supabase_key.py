"""The key to a Supabase project: which kinds there are, and which of them zapd can use.

``sb_secret_…`` is a secret key, ``sb_publishable_…`` a public one. The old kind of both is a
token (JWT) that names its role: ``service_role`` or ``anon``. Nothing is verified here: that
does the project itself, see ``zapd supabase check``.
"""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass

from daemon.config.kinds import Secret


@dataclass(frozen=True)
class SupabaseKey:
    """A secret key of a Supabase project, of the new or the old kind; empty for none."""

    hint: str = "a secret key (sb_secret_…) or the service_role key of the project"

    def parse(self, text: str) -> Secret | None:
        """Return the key, or None; a key that is public or none at all is refused."""
        if not text:
            return None
        if text.startswith("sb_publishable_") or _role(text) == "anon":
            raise ValueError("is a public key, which may neither read nor write zapd's tables")
        if not text.startswith("sb_secret_") and _role(text) != "service_role":
            raise ValueError("is not a key of Supabase")
        return Secret(text)

    def show(self, value: object) -> str:
        """Tell only whether there is one."""
        return "(set)" if value else ""


def _role(key: str) -> object:
    """Return the role that a key of the old kind names; None where it is no such key."""
    parts = key.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - head, payload, signature
        return None
    try:
        payload = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    return payload.get("role") if isinstance(payload, dict) else None
