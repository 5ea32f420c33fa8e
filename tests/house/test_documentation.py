"""Every fact that is declared in a table has its entry in the reference."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from daemon.auth.scopes import Scope
from daemon.config.settings import ROWS
from daemon.errors import PROBLEMS
from daemon.hub.event_types import EVENT_TYPES
from daemon.metrics import METRICS
from daemon.transports.rest import api
from sessions.states import TROUBLES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "daemon" / "docs"


async def _unused(_: object) -> None:
    """Stand in for an endpoint that nobody calls here."""


def _entries(page: str) -> set[str]:
    """Return what the first column of the page's tables names, in backquotes."""
    rows = re.findall(r"^\| (.+?) \|", (DOCS / page).read_text(), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def _routes() -> set[str]:
    streams = api.Streams(_unused, _unused, _unused)  # type: ignore[arg-type]  # never called
    return {f"{route.method} {route.path}" for route in api.table(streams)}


@pytest.mark.parametrize(
    ("page", "declared"),
    [
        ("settings.md", {row.variable for row in ROWS}),
        ("scopes.md", {str(scope) for scope in Scope}),
        ("errors.md", set(PROBLEMS) | set(TROUBLES)),
        ("events.md", set(EVENT_TYPES)),
        ("api.md", _routes()),
        ("metrics.md", set(METRICS)),
    ],
)
def test_everything_declared_is_documented(page: str, declared: set[str]) -> None:
    """Settings, scopes, errors, states' codes, events and routes."""
    assert declared - _entries(page) == set()


def test_the_reference_names_no_error_that_does_not_exist() -> None:
    """A row that outlived its error is a lie."""
    assert _entries("errors.md") - set(PROBLEMS) - set(TROUBLES) == set()


def test_the_reference_names_no_figure_that_does_not_exist() -> None:
    """Nor a figure."""
    assert _entries("metrics.md") == set(METRICS)


def test_the_reference_names_no_route_that_does_not_exist() -> None:
    """But for those that are no rows of the table."""
    apart = (
        "/livez",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/docs",
        "/docs/errors",
        "/v1/ws",
        "/",
    )
    others = {f"GET {path}" for path in apart} | {"GET /login/{token}", "POST /logout"}
    assert _entries("api.md") - _routes() - others == set()


def test_links_between_pages_lead_somewhere() -> None:
    """Each relative link of the README and the reference names a file."""
    pages = [ROOT / "README.md", *DOCS.rglob("*.md"), *(ROOT / "tests").rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
        if not (page.parent / link).exists()
    ]
    assert broken == []
