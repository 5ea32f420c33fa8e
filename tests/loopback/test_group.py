"""Tests of `group`: what members' companions are given, without a connection."""

from __future__ import annotations

import pytest

from .contact import Contact
from .group import Group
from .nodes import Jid
from .server import LoopbackWhatsApp


@pytest.fixture
def alice(whatsapp: LoopbackWhatsApp) -> Contact:
    """Who makes the group."""
    return whatsapp.contact("5511999990001", lid="200000000000002", name="Alice")


@pytest.fixture
def whatsapp() -> LoopbackWhatsApp:
    """A server that is not started."""
    return LoopbackWhatsApp()


@pytest.fixture
def group(whatsapp: LoopbackWhatsApp, alice: Contact) -> Group:
    """Alice's group, and an account that has no companion."""
    phone = whatsapp.phone("5511900000001", lid="100000000000001")
    return whatsapp.group("Trip", alice, phone)


def test_a_group_says_who_is_in_it(group: Group, alice: Contact) -> None:
    """By LID, with the number beside it; its maker is its first admin."""
    node = group.described()
    assert (node.text("subject"), node.text("addressing_mode")) == ("Trip", "lid")
    assert [alice.lid_jid, Jid("100000000000001", "lid")] == [
        member.jid("jid") for member in node.children("participant")
    ]
    assert [m.text("type") for m in node.children("participant")] == ["superadmin", ""]


async def test_it_changes_without_companions(group: Group, alice: Contact) -> None:
    """Nobody is there to be told."""
    await group.rename("Long trip", by=alice)
    await group.remove(alice, by=alice)
    assert group.described().text("subject") == "Long trip"
    assert len(group.described().children()) == 1


def test_groups_have_addresses_of_their_own(whatsapp: LoopbackWhatsApp, alice: Contact) -> None:
    """Of the form that WhatsApp gives them."""
    jids = {str(whatsapp.group("G", alice).jid) for _ in range(3)}
    assert len(jids) == 3
    assert all(jid.endswith("@g.us") and jid.startswith("1203630") for jid in jids)
