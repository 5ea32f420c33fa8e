"""Whether the daemon lives, and whether it serves: for load balancers and people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from daemon.history import standing
from daemon.history.models import Health as HistoryHealth
from daemon.metadata.health import Health as SupabaseHealth


class Serving(Protocol):
    """What is asked of the running daemon."""

    @property
    def ready(self) -> bool:
        """Whether it serves."""
        ...

    @property
    def stopping(self) -> bool:
        """Whether it is on its way out."""
        ...


def routes(
    runtime: Serving,
    supabase: SupabaseHealth | None = None,
    history: Callable[[], HistoryHealth] | None = None,
) -> list[Route]:
    """Return ``/livez`` (the loop turns) and ``/readyz`` (it serves, and is not stopping).

    What is wrong with Supabase or with the history is shown as an alarm and does not make it less
    ready: WhatsApp goes on, what waits is kept here and written later. Taking the daemon out of
    service would help nobody.
    """

    async def livez(request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(request: Request) -> Response:
        if runtime.stopping or not runtime.ready:
            status = "stopping" if runtime.stopping else "starting"
            return JSONResponse({"status": status}, 503)
        shown: dict[str, Any] = {"status": "ready", "alarms": []}
        if supabase is not None:
            shown["alarms"] += supabase.alarms
            shown["supabase"] = supabase.shown()
        if history is not None:
            health = history()
            shown["alarms"] += standing.alarms(health)
            shown["history"] = standing.shown(health)
        return JSONResponse(shown)

    return [Route("/livez", livez), Route("/readyz", readyz)]
