"""``GET /metrics``: the daemon's figures for Prometheus, for whoever has the operator's token."""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.metadata import version

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from daemon.history import standing
from daemon.metadata.health import ALARMS, Health
from daemon.metrics import Sample, families
from daemon.runtime import Runtime


def routes(runtime: Runtime) -> list[Route]:
    """Return ``/metrics``, or nothing where no ``ZAPD_METRICS_TOKEN`` is set."""
    token = runtime.settings.metrics_token
    if token is None:
        return []
    wanted = f"Bearer {token.reveal()}".encode()
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    registry.register(_Figures(runtime))

    async def metrics(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, wanted):
            challenge = {"WWW-Authenticate": 'Bearer realm="zapd metrics"'}
            return PlainTextResponse("The token of ZAPD_METRICS_TOKEN is needed.\n", 401, challenge)
        encode, media = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), headers={"Content-Type": media})

    return [Route("/metrics", metrics, methods=["GET"])]


class _Figures(Collector):
    """Looks at the daemon at each scrape; between scrapes it costs nothing."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def collect(self) -> Iterable[Family]:
        """Return all figures of now."""
        return families(_samples(self._runtime))


def _samples(runtime: Runtime) -> Iterator[Sample]:
    manager = runtime.manager
    ready = runtime.ready and not runtime.stopping
    yield Sample("zapd_info", 1, version("zapd"))
    yield Sample("zapd_ready", ready)
    states = Counter(str(live.status.state) for live in manager.lifecycle.all())
    for state, count in sorted(states.items()):
        yield Sample("zapd_sessions", count, state)
    yield Sample("zapd_sends_waiting", manager.outbox.waiting())
    yield from _memory(runtime)
    yield from _streams(runtime)
    yield from _workers(runtime)
    if runtime.remembering is not None:
        yield from standing.samples(runtime.remembering.history.health())
    if runtime.supabase is not None:
        yield from _supabase(runtime.supabase.health)


def _memory(runtime: Runtime) -> Iterator[Sample]:
    yield Sample("zapd_memory_budget_bytes", runtime.settings.memory_budget)
    caches = runtime.manager.memory.usage() | {"metadata": runtime.index.usage()}
    for cache, usage in caches.items():
        yield Sample("zapd_cache_max_bytes", usage.max_bytes, cache)
        yield Sample("zapd_cache_bytes", usage.used_bytes, cache)
        yield Sample("zapd_cache_entries", usage.entries, cache)
        yield Sample("zapd_cache_hits_total", usage.hits, cache)
        yield Sample("zapd_cache_misses_total", usage.misses, cache)
        yield Sample("zapd_cache_evictions_total", usage.evictions, cache)


def _streams(runtime: Runtime) -> Iterator[Sample]:
    stats = runtime.hub.stats
    yield Sample("zapd_ring_bytes", stats.bytes)
    yield Sample("zapd_events_total", stats.events)
    yield Sample("zapd_events_refused_total", stats.refused)
    yield Sample("zapd_streams", stats.subscribers)
    yield Sample("zapd_streams_slow_total", stats.slow)
    yield Sample("zapd_stream_resets_total", stats.resets)


def _workers(runtime: Runtime) -> Iterator[Sample]:
    supervisor = runtime.manager.supervisor
    yield Sample("zapd_workers", len(supervisor.workers))
    yield Sample("zapd_worker_unkept_total", supervisor.total.unkept)
    yield Sample("zapd_worker_overflowed_total", supervisor.total.overflowed)
    yield Sample("zapd_worker_undecrypted_total", supervisor.total.undecrypted)


def _supabase(health: Health) -> Iterator[Sample]:
    shown = health.shown()
    yield Sample("zapd_supabase_pending", shown.get("pending", 0))
    yield Sample("zapd_supabase_oldest_seconds", shown.get("oldest_age_seconds", 0))
    yield Sample("zapd_supabase_dead_letters", shown.get("dead_letters", 0))
    for alarm in ALARMS:
        yield Sample("zapd_supabase_alarm", alarm in health.alarms, alarm)
