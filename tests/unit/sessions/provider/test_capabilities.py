"""The table of what providers can do."""

from __future__ import annotations

import pytest

from daemon.services.engine import UNABLE
from sessions.models import ProviderName
from sessions.provider.capabilities import CAPABILITIES
from sessions.provider.sandbox import SandboxProvider


@pytest.mark.parametrize("provider", ProviderName)
def test_every_provider_has_its_row(provider: ProviderName) -> None:
    """The daemon asks by name, without loading a core."""
    assert provider in CAPABILITIES


def test_a_provider_shows_its_row() -> None:
    """One truth in the worker and in the daemon."""
    assert CAPABILITIES[ProviderName.SANDBOX] == SandboxProvider.capabilities


@pytest.mark.parametrize("provider", ProviderName)
@pytest.mark.parametrize("what", UNABLE)
def test_no_provider_can_do_what_the_api_refuses(provider: ProviderName, what: str) -> None:
    """Whoever teaches a provider one of these finds here that its route still answers 501."""
    assert not getattr(CAPABILITIES[provider], UNABLE[what].ability)
