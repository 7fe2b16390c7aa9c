"""The fixture `load`: calls that come at a fixed rate, whether the earlier ones have been answered or not.

Owns what a test says and gets back. Each call's latency counts from the moment at which it should have been sent, so
that a system that answers late cannot hide it by being asked less; the generator's own lag is recorded beside it, and
no call is left out.
"""

from collections.abc import Awaitable, Callable

from gate.plugin.load.arrivals import Arrivals, Schedule
from gate.plugin.load.book import Book, LoadResult
from gate.plugin.load.open_loop import OpenLoop
from gate.plugin.load.threads import Threads
from gate.plugin.recording import Metrics

__all__ = ["Load", "LoadResult"]


class Load:
    """Sends load for one test and records it with the test's `metrics`.

    Of a `metric` these become known: `<metric>`, the latency of every call, failed ones included; `<metric>_lag`, how
    much later than intended it was sent through the generator's own fault; `<metric>_done` and `<metric>_errors`.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def run(  # noqa: PLR0913  # said by name
        self,
        request: Callable[[int], Awaitable[object]],
        *,
        rate_per_s: float,
        duration_s: float,
        metric: str,
        arrivals: Arrivals = "constant",
        seed: int = 0,
        max_in_flight: int = 10_000,
    ) -> LoadResult:
        """Await `request(n)` for n = 0, 1, 2 … at `rate_per_s` for `duration_s`, and then for the last to end.

        A request that raises has failed. At most `max_in_flight` run at once; those beyond wait, and their latency
        counts from the intended moment all the same. `arrivals` "poisson" comes at random moments that `seed` fixes.
        """
        schedule = Schedule(rate_per_s=rate_per_s, duration_s=duration_s, arrivals=arrivals, seed=seed)
        book = Book(self._metrics, metric)
        return await OpenLoop(request, schedule, book, _at_least_one(max_in_flight)).run()

    def run_sync(  # noqa: PLR0913  # said by name
        self,
        request: Callable[[int], object],
        *,
        rate_per_s: float,
        duration_s: float,
        metric: str,
        arrivals: Arrivals = "constant",
        seed: int = 0,
        max_in_flight: int = 100,
    ) -> LoadResult:
        """As `run`, with a plain function, called in `max_in_flight` threads."""
        schedule = Schedule(rate_per_s=rate_per_s, duration_s=duration_s, arrivals=arrivals, seed=seed)
        book = Book(self._metrics, metric)
        return Threads(request, schedule, book, _at_least_one(max_in_flight)).run()


def _at_least_one(max_in_flight: int) -> int:
    if max_in_flight < 1:
        raise ValueError(f"at most {max_in_flight} calls at once; at least one has to run")
    return max_in_flight
