"""Counters of the server, in the format of Prometheus."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST
_METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH")
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters of one server, and those of its process: memory, processor time, open files.

    Paths are those of the API's description, never what a client wrote, so that their number is bounded.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = Counter(
            "kaleido_requests_total", "Answered requests", ("path", "method", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "kaleido_request_seconds", "Time to an answer", ("path",), buckets=_SECONDS, registry=self._registry
        )
        self._batches = Histogram(
            "kaleido_batch_size",
            "Requests that a model took at once",
            ("work",),
            buckets=_SIZES,
            registry=self._registry,
        )
        self._waiting = Gauge("kaleido_waiting", "Requests that wait for a model", registry=self._registry)

    def watch_queue(self, waiting: Callable[[], int]) -> None:
        """Reads the number of waiting requests whenever metrics are asked for."""
        self._waiting.set_function(waiting)

    def observe_request(self, path: str, method: str, status: int, seconds: float) -> None:
        """Counts an answered request."""
        self._requests.labels(path, method if method in _METHODS else "other", str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def observe_batch(self, work: str, size: int) -> None:
        """Counts a batch."""
        self._batches.labels(work).observe(size)

    def text(self) -> bytes:
        """Gives all values in Prometheus' text format."""
        return generate_latest(self._registry)
