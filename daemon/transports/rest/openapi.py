"""The OpenAPI document, made from the table of routes and the types that it names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from daemon.errors import PROBLEMS
from daemon.transports.rest.route import ApiRoute

_REF = "#/components/schemas/{name}"
#: What any route may answer, whatever it is for.
ANYWHERE = (
    "unauthorized",
    "not_a_member",
    "workspace_required",
    "supabase_unreachable",
    "rate_limited",
    "internal_error",
)
_BEARER = (
    "An API key, a workspace's JWT, or a Supabase user's token; with the latter the header "
    "`X-Workspace`, or `?workspace=`, says which workspace where the user is in several."
)
_BODY = ("malformed_json", "wrong_type", "unknown_field", "body_too_large")
_QUERY = ("unknown_parameter", "invalid_parameter")


def codes_of(route: ApiRoute) -> list[str]:
    """Return the codes that a route may answer, each once."""
    codes = [*ANYWHERE, *route.errors]
    codes += ["missing_scope"] if route.scopes else []
    codes += _BODY if route.body else ()
    codes += _QUERY if route.query else ()
    codes += ["wrong_origin"] if route.method != "GET" else []
    return sorted(set(codes))


def document(routes: Iterable[ApiRoute], version: str) -> dict[str, Any]:
    """Return the whole document, as OpenAPI 3.1."""
    table = list(routes)
    schemas, components = _components(table)
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "zapd",
            "version": version,
            "description": "WhatsApp sessions, held in RAM and streamed. Times are ISO 8601 UTC.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components | {"Problem": _problem_schema()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": _BEARER},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
                "ticket": {"type": "apiKey", "in": "query", "name": "ticket"},
            },
        },
        "security": [{"bearer": []}, {"apiKey": []}],
    }


def _components(table: list[ApiRoute]) -> tuple[dict[type, dict[str, Any]], dict[str, Any]]:
    types = {t for route in table for t in (route.query, route.body, route.answer) if t is not None}
    ordered = sorted(types, key=lambda t: t.__name__)
    schemas, components = msgspec.json.schema_components(ordered, ref_template=_REF)
    return dict(zip(ordered, schemas, strict=True)), dict(components)


def _operation(route: ApiRoute, schemas: dict[type, dict[str, Any]]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "tags": [route.path.split("/")[2]],
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_described(route)],
        "responses": {str(route.status): _success(route, schemas), **_problems(route)},
        "x-scopes": [str(scope) for scope in route.scopes],
    }
    if route.body is not None:
        operation["requestBody"] = {
            "content": {"application/json": {"schema": schemas[route.body]}}
        }
    return operation


def _path_parameters(route: ApiRoute) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", route.path)
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in names
    ]


def _query_parameters(route: ApiRoute) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = msgspec.json.schema_components([route.query])[1][route.query.__name__]
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": part,
        }
        for name, part in schema["properties"].items()
    ]


def _described(route: ApiRoute) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": place, "description": text, "schema": {"type": "string"}}
        for place, given in (("query", route.own_query), ("header", route.headers))
        for name, text in given.items()
    ]


def _success(route: ApiRoute, schemas: dict[type, dict[str, Any]]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": "Done."}
    if route.status != 204:  # noqa: PLR2004 - a 204 has no body
        text = {"schema": {"type": "string"}}
        json = {"schema": schemas[route.answer]} if route.answer else text
        response["content"] = {
            kind: json if kind == "application/json" else text for kind in route.media
        }
    return response


def _problems(route: ApiRoute) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for code in codes_of(route):
        by_status.setdefault(PROBLEMS[code].status, []).append(code)
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        str(status): {"description": ", ".join(codes), "content": content}
        for status, codes in sorted(by_status.items())
    }


def _problem_schema() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "RFC 9457. `code` is stable.",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "code": {"type": "string", "enum": sorted(PROBLEMS)},
            "detail": text,
            "user_action": text,
            "current_version": {"type": "integer", "description": "With `version_conflict`."},
            "current_tags": {
                "type": "array",
                "items": text,
                "description": "With `version_conflict` of a chat's tags.",
            },
            "assignee": {"type": "string", "description": "With `already_claimed`."},
            "assignee_name": {"type": "string", "description": "With `already_claimed`."},
        },
    }
