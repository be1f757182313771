"""Counters, in the text format of Prometheus (0.0.4)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BOUNDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds


class Metrics:
    """Requests by route, method and status, and their durations. Routes are templates, so that they stay few."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._buckets: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(_BOUNDS) + 1))

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._requests[route, method, status] += 1
        self._seconds[route] += seconds
        self._buckets[route][bisect_left(_BOUNDS, seconds)] += 1

    def text(self, gauges: Mapping[str, tuple[str, float]], counters: Mapping[str, tuple[str, float]]) -> str:
        """All of it; `gauges` and `counters` map further names to their help and value."""
        lines = [*_family("lineage_requests_total", "counter", "Requests answered.", self._counted())]
        lines += _family("lineage_request_seconds", "histogram", "Seconds a request took.", self._timed())
        for kind, further in (("gauge", gauges), ("counter", counters)):
            for name, (about, value) in further.items():
                lines += _family(name, kind, about, iter([("", value)]))
        return "\n".join(lines) + "\n"

    def _counted(self) -> Iterator[tuple[str, float]]:
        for (route, method, status), count in sorted(self._requests.items()):
            yield f'{{route="{route}",method="{method}",status="{status}"}}', count

    def _timed(self) -> Iterator[tuple[str, float]]:
        for route, counts in sorted(self._buckets.items()):
            total = 0
            for bound, count in zip((*_BOUNDS, "+Inf"), counts, strict=True):
                total += count
                yield f'_bucket{{route="{route}",le="{bound}"}}', total
            yield f'_sum{{route="{route}"}}', self._seconds[route]
            yield f'_count{{route="{route}"}}', total


def _family(name: str, kind: str, about: str, samples: Iterator[tuple[str, float]]) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        yield f"{name}{labels} {value:.6f}" if isinstance(value, float) else f"{name}{labels} {value}"
