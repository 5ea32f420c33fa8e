"""What the product promises, seen from outside: real processes, real sockets."""

from __future__ import annotations
