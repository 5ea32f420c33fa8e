"""How clients reach the services. A transport holds no logic: it parses, calls, frames."""

from __future__ import annotations
