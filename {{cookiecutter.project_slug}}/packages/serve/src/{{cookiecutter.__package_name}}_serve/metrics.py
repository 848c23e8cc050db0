"""Prometheus metrics, over all workers of the service.

With several workers, each writes its metrics to files in a shared folder, PROMETHEUS_MULTIPROC_DIR, which must be set
before prometheus_client is imported (https://prometheus.github.io/client_python/multiprocess/).
"""

import os
from pathlib import Path

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The metrics of one application; each has its description."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the page without being useful
        self._registry = CollectorRegistry()
        self._answered: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=self._registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=self._registry, multiprocess_mode="livesum")

        self.requests = counter("http_requests", "Requests answered.", "method", "path", "status")
        self.seconds = Histogram(
            "http_request_duration_seconds",
            "Time from a request's head to the end of its response.",
            ["path"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self.in_flight = gauge("http_requests_in_flight", "Requests being answered.")
        self.rows = counter("prediction_rows", "Rows predicted.")
        self.refused = counter("prediction_refused_rows", "Rows rejected, by the invalid field.", "field")
        self.unusual = counter("prediction_unusual_values", "Values accepted that are unusual, by field.", "field")
        self.model = gauge("model_info", "Workers that serve this version of the model.", "version")
        self.reloads = counter("model_reloads", "Models reloaded while running, in each worker.")
        self.failed_reloads = counter("model_reload_failures", "Model files rejected, in each worker.")
        self.logged = counter("prediction_log_rows", "Predictions written to the prediction log.")
        self.dropped = counter("prediction_log_dropped_rows", "Predictions not written to the prediction log.")
        self.log_failures = counter("prediction_log_failures", "Failed attempts to write to the prediction log.")
        self.queued = gauge("prediction_log_queue_rows", "Predictions waiting to be written.")

    def count_request(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count an answered request, and observe its duration."""
        key = method, path, status
        if key not in self._answered:  # looking up labels costs more than counting
            self._answered[key] = self.requests.labels(*key), self.seconds.labels(path)
        requests, histogram = self._answered[key]
        requests.inc()
        histogram.observe(seconds)

    def render(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        folder = os.environ.get(FOLDER)
        if not folder:
            return generate_latest(self._registry)
        for path in Path(folder).glob("gauge_live*_*.db"):  # a killed worker leaves its gauges behind
            process = int(path.stem.rpartition("_")[2])
            if not psutil.pid_exists(process):
                mark_process_dead(process, folder)  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()
        MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
