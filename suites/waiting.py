"""Waiting for what happens in another process, where there is no event to await: ask again, shortly after."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], Awaitable[object]], *, every_s: float = 0.005) -> None:
    """Return when `condition` holds. Without an end of its own: a test as a whole has one."""
    while not await condition():  # noqa: ASYNC110  # the other side is a server, not a task of this loop
        await asyncio.sleep(every_s)
