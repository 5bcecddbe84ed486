"""What the city counts about itself, for /metrics: one registry per city, so two in one process stay apart."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """The city's own figures. ``sse_clients`` counts open live streams: whoever serves one moves it up and down.

    ``runs`` hears of every run that ends.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.http = Histogram(
            "dothi_http_seconds",
            "Seconds until a request was answered.",
            ("method", "route", "status"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.runs = Histogram(
            "dothi_run_seconds",
            "Seconds that finished runs took, by how they ended.",
            ("process", "state"),
            buckets=(0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0),
            registry=self.registry,
        )
        self._answered: dict[tuple[str, str, int], Histogram] = {}  # of ``http``: finding one there takes a lock and a text
        self.sse_clients = Gauge("dothi_sse_clients", "Browsers with an open live stream.", registry=self.registry)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request under its route's template, never its address: labels must stay few."""
        key = method, route, status // 100
        child = self._answered.get(key)
        if child is None:
            child = self._answered[key] = self.http.labels(method, route, f"{status // 100}xx")
        child.observe(seconds)

    def watch(self, name: str, words: str, read: Callable[[], float], *, counter: bool = False) -> None:
        """Publish what ``read`` returns at each scrape, as ``name``; a counter only ever grows."""
        self.registry.register(_Pulled(name, words, "", lambda: {"": read()}, counter))

    def watch_each(self, name: str, words: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        """Publish one figure for each key that ``read`` returns, told apart by ``label``."""
        self.registry.register(_Pulled(name, words, label, read, False))

    def text(self) -> bytes:
        """The exposition text (Prometheus text format 0.0.4)."""
        return generate_latest(self.registry)


class _Pulled(Collector):
    def __init__(self, name: str, words: str, label: str, read: Callable[[], Mapping[str, float]], counter: bool) -> None:
        self._name, self._words, self._label, self._read, self._counter = name, words, label, read, counter

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        kind = CounterMetricFamily if self._counter else GaugeMetricFamily
        family = kind(self._name, self._words, labels=[self._label] if self._label else [])
        for key, value in self._read().items():
            family.add_metric([key] if self._label else [], value)
        yield family
