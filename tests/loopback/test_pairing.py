"""Tests of `pairing`: reading codes, and answers to wrong ones."""

from __future__ import annotations

import base64

import pytest

from .pairing import Introduction, PairingError, QrCode
from .server import LoopbackWhatsApp

_PARTS = [base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2, 3)]


@pytest.mark.parametrize("prefix", ["", "https://wa.me/settings/linked_devices#"])
def test_a_code_is_read_with_and_without_its_link(prefix: str) -> None:
    """Reference, Noise key, identity and secret stand in this order; more may follow."""
    code = QrCode.parse(prefix + ",".join(["2@ref", *_PARTS, "1"]))
    assert QrCode("2@ref", b"\1" * 32, Introduction(b"\2" * 32, b"\3" * 32)) == code


@pytest.mark.parametrize("text", ["", "https://example.org", "2@ref,AAAA"])
def test_what_is_no_code_is_refused(text: str) -> None:
    """A phone that scans something else says so."""
    with pytest.raises(PairingError, match="no pairing code"):
        QrCode.parse(text)


@pytest.mark.asyncio
async def test_people_have_numbers_of_their_own() -> None:
    """A number or a LID that is taken cannot be given again."""
    async with LoopbackWhatsApp() as whatsapp:
        whatsapp.contact("5511999990001", lid="2", name="Alice")
        with pytest.raises(ValueError, match="taken"):
            whatsapp.phone("5511999990001", lid="3")
        with pytest.raises(ValueError, match="taken"):
            whatsapp.contact("5511999990002", lid="2", name="Bob")
