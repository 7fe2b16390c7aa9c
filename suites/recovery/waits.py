"""Waiting for what another process does or says, gently: it needs the processor itself."""

import asyncio
from collections.abc import Callable

from suites.system import Service
from suites.waiting import until

_EVERY_S = 0.02
_WITHIN_S = 10.0  # of what is said of itself; far above all that is promised, and a third of what a test may take


async def holds(condition: Callable[[], object]) -> None:
    """Return when `condition` holds, of something that this event loop does not tell."""

    async def held() -> object:
        return condition()

    await until(held)


async def health(service: Service) -> tuple[int, str]:
    """What `/healthz` answers now: the HTTP status and the word."""
    answer = await asyncio.to_thread(service.health)
    return answer["http_status"], answer["status"]


async def feels(service: Service, http_status: int, status: str) -> None:
    """Return when `/healthz` answers so. TimeoutError when it never does."""

    async def so() -> bool:
        return await health(service) == (http_status, status)

    async with asyncio.timeout(_WITHIN_S):
        await until(so, every_s=_EVERY_S)


async def tells(service: Service, part: str, fact: str, *values: object) -> None:
    """Return when `part` says that `fact` is one of `values`. TimeoutError when it never does."""

    async def so() -> bool:
        return (await asyncio.to_thread(service.facts, part))[fact] in values

    async with asyncio.timeout(_WITHIN_S):
        await until(so, every_s=_EVERY_S)


async def logs(service: Service, event: str) -> None:
    """Return when the service has logged `event`."""
    await holds(lambda: service.events(event))
