"""`zapd supabase check` looks for each function of the database that the daemon calls."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

from daemon.metadata.schema import CHECK, SCHEMA
from tests.supabase.rig import Rig

DAEMON = Path(__file__).parents[2] / "daemon"
LOOKED_FOR = sorted(name for needed in SCHEMA.values() for name in needed.functions)
#: Methods of the history that put its prefix before the name that they are given.
PREFIXING = {"self._call", "self._write_call", "self._messages"}


def test_what_the_key_may_call_is_looked_for(rig: Rig) -> None:
    """All that the migrations open to the gateway, and the check itself; each told with its table."""
    found = rig.rows(
        "select proname as name from pg_proc where pronamespace = 'public'::regnamespace "
        "and prorettype <> 'trigger'::regtype "
        "and has_function_privilege('service_role', oid, 'execute')"
    )
    assert sorted(row["name"] for row in found) == sorted([*LOOKED_FOR, CHECK])
    told = json.loads(rig.sql("select zapd_check()"))
    assert {table: told[table]["functions"] for table in SCHEMA} == {
        table: sorted(needed.functions) or None for table, needed in SCHEMA.items()
    }


def test_what_the_code_calls_is_looked_for() -> None:
    """As its text names them: a new call must be one that can be read here."""
    called = {
        path.relative_to(DAEMON).as_posix(): found
        for path in DAEMON.rglob("*.py")
        if (found := sorted(set(_called(ast.parse(path.read_text())))))
    }
    assert called.keys() == {"history/supabase.py", "metadata/supabase_link.py"}
    assert sorted(name for names in called.values() for name in names) == LOOKED_FOR


def _called(module: ast.Module) -> Iterator[str]:
    """Yield the functions that a module calls through a ``SupabaseApi``."""
    calls = [(ast.unparse(n.func), n.args) for n in ast.walk(module) if isinstance(n, ast.Call)]
    for function, arguments in calls:
        if not function.endswith("_api.call"):
            continue
        name = arguments[0]
        if isinstance(name, ast.JoinedStr):
            prefix = ast.unparse(name).removeprefix("f'").removesuffix("{name}'")
            yield from (prefix + rest for rest in _handed_on(calls))
        else:
            yield _text(_value(module, name.id) if isinstance(name, ast.Name) else name)


def _handed_on(calls: list[tuple[str, list[ast.expr]]]) -> Iterator[str]:
    for function, arguments in calls:
        if function in PREFIXING and ast.unparse(arguments[0]) != "name":
            yield _text(arguments[0])


def _value(module: ast.Module, name: str) -> ast.expr:
    """Return what a name of the module stands for."""
    (value,) = (
        statement.value
        for statement in module.body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name
    )
    return value


def _text(node: ast.expr) -> str:
    assert isinstance(node, ast.Constant), f"{ast.unparse(node)} is no text"
    assert isinstance(node.value, str)
    return node.value
