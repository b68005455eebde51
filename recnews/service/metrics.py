"""What the service counts, for Prometheus. In several workers the official client adds it up through files in the
folder that `PROMETHEUS_MULTIPROC_DIR` names, which must be set before this module is imported.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import REGISTRY, Collector

from recnews.records import Recommendation

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

REQUESTS = Counter("recnews_requests", "Requests answered.", ("route", "method", "status"))
SECONDS = Histogram("recnews_request_seconds", "Time from request to answer.", ("route",), buckets=_SECONDS)
STAGES = Histogram("recnews_stage_seconds", "Time of one stage of a request.", ("stage",), buckets=_SECONDS)
PLACES = Counter("recnews_feed_places", "Places of feeds, by where they come from.", ("source",))
FALLBACKS = Counter("recnews_feed_fallbacks", "Feeds without a place that is the reader's own.", ())
ROWS = Counter("recnews_rows", "Rows handed in, by what became of them.", ("kind", "became"))
WAITING = Gauge("recnews_waiting", "Requests that wait or are worked on.", ("lane",), multiprocess_mode="livesum")
WORKER_GENERATION = Gauge(
    "recnews_worker_generation", "Number of the generation a worker answers from.", multiprocess_mode="liveall"
)
SWAPS = Counter("recnews_generation_swaps", "How often a worker took over another generation.", ())


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Time a stage."""
    begun = perf_counter()
    try:
        yield
    finally:
        STAGES.labels(name).observe(perf_counter() - begun)


def count_feed(feed: list[Recommendation]) -> None:
    """Count where the places of a feed come from."""
    for place in feed:
        PLACES.labels(place.source).inc()
    if feed and not any(place.source in {"interests", "behaviour"} for place in feed):
        FALLBACKS.inc()


class _Home(Collector):
    """What is counted when somebody asks: the state of the home."""

    def __init__(self, figures: dict[str, tuple[str, float]], live: str) -> None:
        self._figures, self._live = figures, live

    def collect(self) -> Iterable[Metric]:
        """The gauges."""
        for name, (about, value) in self._figures.items():
            yield GaugeMetricFamily(name, about, value)
        info = GaugeMetricFamily("recnews_generation_info", "The live generation.", labels=("generation",))
        info.add_metric([self._live], 1.0)
        yield info


def page(figures: dict[str, tuple[str, float]], live: str) -> bytes:
    """All metrics of all workers, in the text format."""
    registry = CollectorRegistry()
    if os.environ.get(FOLDER_VARIABLE):
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(REGISTRY)
    registry.register(_Home(figures, live))
    return generate_latest(registry)


def worker_ended(pid: int) -> None:
    """Count a worker's live gauges no longer."""
    if os.environ.get(FOLDER_VARIABLE):
        mark_process_dead(pid)  # type: ignore[no-untyped-call]
