"""Values under keys: of the workspace, of a session, of a user."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from daemon.auth.principal import Principal
from daemon.errors import ApiError
from daemon.metadata.models import Actor, Setting
from daemon.metadata.port import Change
from daemon.services.abilities import Ability
from daemon.services.metadata.changes import differing, gone, limited
from daemon.services.metadata.core import Core
from daemon.services.metadata.reopening import REOPEN_ON_MESSAGE
from daemon.services.metadata.telling import SESSION_SCOPE

WORKSPACE, USER_SCOPE = "workspace", "user:"
#: Of one scope; they are held in memory.
MOST = 500
#: Of a value, as JSON, in bytes.
VALUE_MAX = 8192
#: What zapd itself reads, and what it must be. Other names are the clients' own.
KNOWN: dict[str, type] = {REOPEN_ON_MESSAGE: bool}


class SettingsService:
    """The use cases on settings."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def all(self, who: Principal, scope: str) -> list[Setting]:
        """Return the settings of a scope."""
        self._core.require(who, Ability.VIEW)
        return self._core.index.settings(who.workspace, self._scope(who, scope))

    def get(self, who: Principal, scope: str, name: str) -> Setting:
        """Return a setting."""
        self._core.require(who, Ability.VIEW)
        found = self._core.index.setting(who.workspace, self._scope(who, scope), name)
        if found is None:
            raise ApiError("setting_not_found")
        return found

    async def put(
        self,
        who: Principal,
        scope: str,
        name: str,
        value: Any,  # noqa: ANN401 - any JSON
        expected: int | None,
    ) -> Setting:
        """Set a value."""
        scope, actor = self._for_writing(who, scope)
        _check(name, value)
        count = len(self._core.index.settings(who.workspace, scope))
        if self._core.index.setting(who.workspace, scope, name) is None:
            limited(self._core.index, who.workspace, count, MOST, "settings in a scope")
        new = Setting(workspace=who.workspace, scope=scope, name=name, value=value, actor=actor)

        def make(current: Setting | None) -> Change | None:
            data: dict[str, object] = {"scope": scope, "name": name}
            if current is None:
                return Change(new, "setting_changed", data=data)
            change = differing(current, replace(current, value=value), actor, "setting_changed")
            return change and change._replace(data=data)

        found = await self._core.change(Setting, who.workspace, (scope, name), expected, make)
        return found or new

    async def delete(self, who: Principal, scope: str, name: str, expected: int | None) -> None:
        """Forget a value."""
        scope, actor = self._for_writing(who, scope)

        def make(current: Setting | None) -> Change:
            if current is None:
                raise ApiError("setting_not_found")
            change = gone(current, actor, "setting_deleted", self._core.clock)
            return change._replace(data={"scope": scope, "name": name})

        await self._core.change(Setting, who.workspace, (scope, name), expected, make)

    def _scope(self, who: Principal, scope: str) -> str:
        """Return the scope's whole name; raise for one that cannot be, or cannot be seen."""
        if scope.startswith(SESSION_SCOPE):
            session = scope.removeprefix(SESSION_SCOPE)
            self._core.session(who, session)
            return SESSION_SCOPE + session
        if scope == f"{USER_SCOPE}me":
            return USER_SCOPE + who.subject
        if scope == WORKSPACE or (len(scope) > len(USER_SCOPE) and scope.startswith(USER_SCOPE)):
            return scope
        raise ApiError("invalid_parameter", "A scope is workspace, session:<id> or user:<id>.")

    def _for_writing(self, who: Principal, scope: str) -> tuple[str, Actor]:
        scope = self._scope(who, scope)
        own = scope == USER_SCOPE + who.subject
        session = scope.removeprefix(SESSION_SCOPE) if scope.startswith(SESSION_SCOPE) else None
        ability = Ability.OWN_SETTINGS if own else Ability.MANAGE_SETTINGS
        return scope, self._core.require(who, ability, session).actor


def _check(name: str, value: object) -> None:
    kind = KNOWN.get(name)
    if kind is not None and not isinstance(value, kind):
        raise ApiError("invalid_value", f"{name} is a {kind.__name__}.")
    if len(msgspec.json.encode(value)) > VALUE_MAX:
        raise ApiError("invalid_value", f"The value is over {VALUE_MAX} bytes as JSON.")
