"""A backup is made beside a running daemon, and brings its paired sessions back."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.whatsapp import running
from tests.support.daemon import Daemon


async def test_a_restored_daemon_is_the_linked_device(tmp_path: Path) -> None:
    """Another machine's daemon logs in with the backup's keys and is reached by who writes."""
    file = tmp_path / "zapd.tar"
    async with running(tmp_path) as rig:
        phone = await rig.paired("main", 1)
        alice = rig.contact(1, "Alice")
        async with rig.user.stream(types="new_message") as stream:
            await alice.send_text(phone, "before")
            await stream.next("new_message")
            assert await rig.daemon.command("backup", str(file)) == str(file)
            await alice.send_text(phone, "meanwhile")  # the daemon goes on as before
            await stream.next("new_message", lambda event: event.data["text"] == "meanwhile")
        await rig.daemon.end()

        other = Daemon(tmp_path / "other", worker_command=rig.whatsapp.worker_command())
        await other.command("restore", str(file))
        await other.start()
        async with other.user() as user, user.stream(types="new_message") as stream:
            session = await user.in_state("main", "connected")
            assert session["phone"] == "+5511900000001"
            await alice.send_text(phone, "after")
            await stream.next("new_message", lambda event: event.data["text"] == "after")
        assert await other.end() == 0
        await rig.daemon.start()
