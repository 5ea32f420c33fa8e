"""What shapes of requests are made of."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from sessions.ids import SESSION_PATTERN

Limit = Annotated[int, Meta(ge=1, le=200)]
Short = Annotated[str, Meta(min_length=1, max_length=200)]
SessionName = Annotated[str, Meta(pattern=f"^{SESSION_PATTERN}$")]
Cursor = Annotated[str, Meta(max_length=600)]


class Shape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what requests say."""


class Nothing(Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No parameters, or an empty body."""
