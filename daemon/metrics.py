"""Every figure that ``/metrics`` shows: one table, read by the collector and by the reference.

Figures are of the whole daemon. Nothing names a workspace: who scrapes is the operator's
monitoring, and it keeps what it reads for long.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric as Family


class Metric(NamedTuple):
    """One row: what it is, and the name of its label if it has one."""

    kind: Literal["gauge", "counter"]
    meaning: str
    label: str | None = None


#: By name. A counter counts since the start; Prometheus' convention ends its name in ``_total``.
METRICS: dict[str, Metric] = {
    "zapd_info": Metric("gauge", "Always 1; the label is the running version.", "version"),
    "zapd_ready": Metric("gauge", "1 while /readyz says ready."),
    "zapd_sessions": Metric("gauge", "Sessions by state.", "state"),
    "zapd_workers": Metric("gauge", "Worker processes."),
    "zapd_sends_waiting": Metric("gauge", "Accepted sends that WhatsApp does not have yet."),
    "zapd_cache_max_bytes": Metric("gauge", "What a cache may hold.", "cache"),
    "zapd_cache_bytes": Metric("gauge", "What a cache holds.", "cache"),
    "zapd_cache_entries": Metric("gauge", "Entries of a cache.", "cache"),
    "zapd_cache_hits_total": Metric("counter", "Reads that a cache answered.", "cache"),
    "zapd_cache_misses_total": Metric("counter", "Reads that a cache could not answer.", "cache"),
    "zapd_cache_evictions_total": Metric("counter", "Entries that had to leave.", "cache"),
    "zapd_memory_budget_bytes": Metric("gauge", "ZAPD_MEMORY_BUDGET: caches and rings together."),
    "zapd_ring_bytes": Metric("gauge", "What all streams' rings hold for replay."),
    "zapd_events_total": Metric("counter", "Events published."),
    "zapd_events_refused_total": Metric(
        "counter", "Events that could not be encoded, and are lost."
    ),
    "zapd_history_failing": Metric("gauge", "1 while the history cannot be written."),
    "zapd_history_backlog": Metric("gauge", "Records that wait in memory for the history."),
    "zapd_history_backlog_bytes": Metric("gauge", "What they hold: ZAPD_HISTORY_BACKLOG at most."),
    "zapd_history_spilled": Metric("gauge", "Records that wait on disk for the history."),
    "zapd_history_spilled_bytes": Metric("gauge", "What they hold: ZAPD_HISTORY_SPILL at most."),
    "zapd_history_written_total": Metric("counter", "Records written to the history."),
    "zapd_history_lost_total": Metric(
        "counter", "Records for which neither memory nor disk had room."
    ),
    "zapd_history_refused_total": Metric("counter", "Records that can never be stored."),
    "zapd_streams": Metric("gauge", "Open streams."),
    "zapd_streams_slow_total": Metric("counter", "Streams ended since their client did not read."),
    "zapd_worker_unkept_total": Metric(
        "counter", "Messages that a worker could not journal; a kill right then loses them."
    ),
    "zapd_worker_overflowed_total": Metric(
        "counter", "Events that were queued over the bound in RAM, after a wait."
    ),
    "zapd_worker_undecrypted_total": Metric(
        "counter", "Messages that were never decrypted, and are told as unsupported."
    ),
    "zapd_supabase_pending": Metric("gauge", "Changes that Supabase does not have yet."),
    "zapd_supabase_oldest_seconds": Metric("gauge", "How long the oldest of them waits."),
    "zapd_supabase_dead_letters": Metric("gauge", "Changes that Supabase refused for good."),
    "zapd_supabase_alarm": Metric(
        "gauge", "1 for what a person should mend, as /readyz names it.", "alarm"
    ),
    "zapd_stream_resets_total": Metric("counter", "Streams whose past was gone."),
}


class Sample(NamedTuple):
    """A figure of now. ``label`` is the value of its metric's label."""

    name: str
    value: float
    label: str | None = None


def families(samples: Iterable[Sample]) -> list[Family]:
    """Return the samples by metric, in the table's order.

    Raises:
        KeyError: for a metric that the table does not have.
        ValueError: for a label where there is none, or the other way round.
    """
    made: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
    for name, metric in METRICS.items():
        shape = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
        made[name] = shape(name, metric.meaning, labels=[metric.label] if metric.label else [])
    for sample in samples:
        if (METRICS[sample.name].label is None) != (sample.label is None):
            raise ValueError(f"{sample.name} has other labels")
        made[sample.name].add_metric([sample.label] if sample.label else [], sample.value)
    return [family for family in made.values() if family.samples]
