"""Whether the daemon lives, and whether it serves: for load balancers and people."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from daemon.runtime import Runtime


def routes(runtime: Runtime) -> list[Route]:
    """Return ``/livez`` (the loop turns) and ``/readyz`` (it serves, and is not stopping)."""

    async def livez(request: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readyz(request: Request) -> Response:
        if runtime.stopping or not runtime.ready:
            status = "stopping" if runtime.stopping else "starting"
            return JSONResponse({"status": status}, 503)
        return JSONResponse({"status": "ready"})

    return [Route("/livez", livez), Route("/readyz", readyz)]
