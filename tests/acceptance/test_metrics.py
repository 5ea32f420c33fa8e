"""What Prometheus reads of a running daemon."""

from __future__ import annotations

from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from daemon.metrics import METRICS
from tests.support.daemon import Daemon

TOKEN = "a token for the scraper"


def figures(text: str) -> dict[tuple[str, str | None], float]:
    """Return each sample of ours by its name and label."""
    return {
        (sample.name, next(iter(sample.labels.values()), None)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("zapd_")
    }


async def scrape(daemon: Daemon, token: str | None) -> httpx.Response:
    """Ask as Prometheus does."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(base_url=daemon.base) as client:
        return await client.get("/metrics", headers=headers)


async def test_figures_follow_what_happens(tmp_path: Path) -> None:
    """A message is in a cache and was an event; whoever lacks the token learns nothing."""
    daemon = await Daemon(tmp_path / "data", settings={"ZAPD_METRICS_TOKEN": TOKEN}).start()
    try:
        before = figures((await scrape(daemon, TOKEN)).text)
        async with daemon.user() as user:
            session = await user.paired()
            async with user.stream(types="new_message") as stream:
                await user.receive(session, "counted")
                await stream.next("new_message")
                answer = await scrape(daemon, TOKEN)
        after = figures(answer.text)
        assert answer.headers["content-type"].startswith("text/plain")
        own = {name for name in METRICS if not name.startswith("zapd_supabase_")}
        assert {name for name, _ in after} == own
        assert before["zapd_streams", None] == 0
        assert after["zapd_streams", None] == 1
        assert after["zapd_sessions", "connected"] == 1
        assert after["zapd_workers", None] == 1
        assert after["zapd_cache_entries", "messages"] >= 1
        assert after["zapd_cache_bytes", "messages"] > before["zapd_cache_bytes", "messages"]
        assert after["zapd_events_total", None] > before["zapd_events_total", None]
        assert "counted" not in answer.text
        assert "default" not in answer.text
        for wrong in (None, "", "another token", TOKEN + "x", await daemon.key()):
            refused = await scrape(daemon, wrong)
            assert refused.status_code == 401
            assert "zapd_" not in refused.text.replace("ZAPD_", "")
    finally:
        await daemon.end()


async def test_without_a_token_there_is_no_such_page(tmp_path: Path) -> None:
    """The default: nothing to find."""
    daemon = await Daemon(tmp_path / "data").start()
    try:
        assert (await scrape(daemon, "anything")).status_code == 404
    finally:
        await daemon.end()
