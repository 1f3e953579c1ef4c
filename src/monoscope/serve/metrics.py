"""What the server counts, as Prometheus reads it."""

from collections.abc import Iterator
from typing import final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from monoscope.serve.engine import Engine

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Bounds of the histogram."""


@final
class Metrics:
    """Counts of one server."""

    def __init__(self, engine: Engine) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(OfEngine(engine))
        self.requests = Counter(
            "monoscope_requests", "Requests answered", ["path", "status"], registry=self.registry
        )
        self.first_token = Histogram(
            "monoscope_time_to_first_token_seconds",
            "From the request to its first token",
            buckets=SECONDS,
            registry=self.registry,
        )

    def text(self) -> bytes:
        """Everything, in Prometheus's text format."""
        return generate_latest(self.registry)


@final
class OfEngine(Collector):
    """What the engine knows, read when it is asked for."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def collect(self) -> Iterator[Metric]:
        """Tokens, texts that are written, texts that wait."""
        yield CounterMetricFamily("monoscope_tokens_written", "Tokens written", value=self.engine.n_tokens)
        yield GaugeMetricFamily("monoscope_texts", "Texts being written", value=len(self.engine.writing))
        yield GaugeMetricFamily("monoscope_texts_waiting", "Texts waiting", value=len(self.engine.waiting))
        yield GaugeMetricFamily(
            "monoscope_slots", "Texts that can be written at once", value=self.engine.options.slots
        )
