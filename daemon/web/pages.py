"""The pages: the console at ``/``, signing in by a link, signing out, and their files.

The console holds no data: what it shows it asks of the API with the cookie, like any client.
"""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from daemon.auth.authenticator import Authenticator
from daemon.auth.login import COOKIE, clear_cookie, set_cookie
from daemon.auth.origins import may_use_cookie
from daemon.auth.principal import Principal
from daemon.errors import ApiError

_HERE = Path(__file__).parent
_STATIC = _HERE / "static"

HEADERS = {
    # blob: is for the QR code, which the page fetches and then shows as a picture
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob:; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def routes(auth: Authenticator, public_url: str | None = None) -> list[BaseRoute]:
    """Return the routes. ``public_url``: where people reach the daemon behind a proxy."""
    pages = _Pages(auth, public_url)
    return [
        Route("/", pages.console, methods=["GET"]),
        Route("/login/{token}", pages.sign_in, methods=["GET"]),
        Route("/logout", pages.sign_out, methods=["POST"]),
        Route("/favicon.ico", _favicon, methods=["GET"]),
        Mount(pages.static, _Files(directory=_STATIC)),
    ]


class _Pages:
    """The handlers, with what they share."""

    def __init__(self, auth: Authenticator, public_url: str | None) -> None:
        self.static = f"/static/{_version()}"
        self._auth = auth
        self._listed = frozenset({public_url} if public_url else ())
        self._secure = bool(public_url and public_url.startswith("https:"))
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    async def console(self, request: Request) -> Response:
        """Show the console, or how to sign in."""
        who = await self._who(request)
        if who is not None:
            return self._page("console.html", workspace=who.workspace)
        # A browser that comes by a link on another site leaves a SameSite=Strict cookie at home.
        # It brings it when our own page sends it here again.
        again = request.headers.get("sec-fetch-site") == "cross-site"
        return self._page("signed_out.html", again=again, trouble=None)

    async def sign_in(self, request: Request) -> Response:
        """Exchange a link for the cookie. HEAD (a preview, a scanner) does not use it up."""
        if request.method == "HEAD":
            return HTMLResponse(headers=HEADERS)
        try:
            signed_in = await self._auth.logins.use_link(request.path_params["token"])
        except ApiError as trouble:
            if await self._who(request) is not None:  # opened twice, and signed in by the first
                return RedirectResponse("/", HTTPStatus.SEE_OTHER, HEADERS)
            return self._page("signed_out.html", trouble.status, again=False, trouble=trouble)
        cookie = set_cookie(signed_in.cookie, secure=self._secure)
        return RedirectResponse("/", HTTPStatus.SEE_OTHER, {**HEADERS, "Set-Cookie": cookie})

    async def sign_out(self, request: Request) -> Response:
        """End the browser's session; nothing if it has none."""
        origin, host = request.headers.get("origin"), request.headers.get("host")
        if not may_use_cookie(request.method, origin, host, self._listed):
            raise ApiError("wrong_origin")
        await self._auth.logins.sign_out(request.cookies.get(COOKIE, ""))
        cookie = clear_cookie(secure=self._secure)
        return Response(status_code=HTTPStatus.NO_CONTENT, headers={"Set-Cookie": cookie})

    async def _who(self, request: Request) -> Principal | None:
        try:
            return await self._auth.authenticate({}, None, request.cookies)
        except ApiError:
            return None

    def _page(self, template: str, status: int = HTTPStatus.OK, **values: object) -> Response:
        text = self._templates.get_template(template).render(static=self.static, **values)
        return HTMLResponse(text, status, HEADERS)


class _Files(StaticFiles):
    """Our files, under a path that changes with them: a browser may keep each for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return the file, or raise 404."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


async def _favicon(_: Request) -> Response:
    """Answer browsers that ask without being told where it is."""
    headers = {"Cache-Control": "public, max-age=86400"}
    return FileResponse(_STATIC / "favicon.svg", headers=headers)


def _version() -> str:
    """Return a name for the static files as they are now."""
    digest = hashlib.blake2b(digest_size=6)
    for file in sorted(_STATIC.iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
