"""``/docs``: the OpenAPI document and the catalogue of errors as a page that people read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from daemon.errors import PROBLEMS

_CSP = "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'"
_SECURITY = {
    "Content-Security-Policy": _CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def routes(description: dict[str, Any]) -> list[Route]:
    """Return ``/docs`` and ``/docs/errors`` (where the ``type`` of a problem points)."""
    folder = Path(__file__).parent / "templates"
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True)
    pages = {
        "/docs": environment.get_template("reference.html").render(api=description),
        "/docs/errors": environment.get_template("errors.html").render(problems=PROBLEMS),
    }
    return [Route("/docs/style.css", _style), *(_page(path, html) for path, html in pages.items())]


async def _style(request: Request) -> Response:
    return FileResponse(Path(__file__).parent / "static" / "reference.css")


def _page(path: str, html: str) -> Route:
    async def page(request: Request) -> Response:
        return HTMLResponse(html, headers=_SECURITY)

    return Route(path, page)
