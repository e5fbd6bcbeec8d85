"""What Prometheus reads of a station."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.12, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counters of one station."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.verdicts = Counter(
            "knowngood_verdicts",
            "Verdicts that were stored.",
            ["product", "decision"],
            registry=self._registry,
        )
        self.refused = Counter(
            "knowngood_refused", "Pictures that were refused, by status.", ["status"], registry=self._registry
        )
        self.seconds = Histogram(
            "knowngood_inspection_seconds",
            "Seconds from the first byte of a picture to its stored verdict.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.restarts = Counter(
            "knowngood_worker_restarts", "Processes that ended and were replaced.", registry=self._registry
        )
        self.waiting = Gauge(
            "knowngood_waiting", "Pictures that wait for a process.", registry=self._registry
        )
        self.free = Gauge("knowngood_free_bytes", "Bytes free on the disk.", registry=self._registry)

    def text(self) -> bytes:
        """All of them, as Prometheus reads them."""
        return generate_latest(self._registry)
