from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.sessions.provider.neonize.decoding import OWN_LID, OWN_PN, Decoding


@pytest.fixture(scope="session")
def decoding_process() -> Iterator[Decoding]:
    """A process that holds the library."""
    child = Decoding()
    yield child
    child.close()


@pytest.fixture
def decoding(decoding_process: Decoding) -> Decoding:
    """A decoder that knows nobody but the session's own account."""
    decoding_process.ask("new", own_pn=OWN_PN, own_lid=OWN_LID)
    return decoding_process
