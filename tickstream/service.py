"""Parts as a process: put together, started side by side, stopped in order.

Each part logs `listening` when clients are welcome there, and the process `ready` when all are. On SIGTERM or SIGINT
every part takes nothing more and finishes what it has acknowledged, and the process is gone within five seconds. Exit
status 0 after such a stop, 1 when something essential broke, 2 when the settings make no sense.
"""

import asyncio
import importlib
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Final

from tickstream import log
from tickstream.faults import Faults
from tickstream.observation import Observation
from tickstream.part import Part
from tickstream.settings import Settings

Build = Callable[[Settings, Faults, Observation, AsyncExitStack], Awaitable[Part]]

_STOP_S: Final = 3.5


def run(settings: Settings, parts: Sequence[str]) -> int:
    """Serve `parts` until told to stop. Returns the exit status."""
    log.set_up(settings.log_level)
    errors: list[BaseException] = []
    try:
        asyncio.run(_serve(settings, parts))
    except* Exception as group:  # noqa: BLE001  # the process's own end: whatever broke is told, as one line each
        errors = _leaves(group)
    for error in errors:
        log.error("broken", reason=f"{type(error).__name__}: {error}")
    log.info("stopped")
    return 1 if errors else 0


async def _serve(settings: Settings, names: Sequence[str]) -> None:
    stop = _stop_on_signal()
    async with AsyncExitStack() as stack:
        process = await _Process.build(settings, names, stack)
        tasks = [asyncio.create_task(process.work()), asyncio.create_task(stop.wait())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping")
        await process.stop()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        if not tasks[0].cancelled():
            tasks[0].result()


class _Process:
    """The parts, and what they do together."""

    def __init__(self, parts: Sequence[Part], faults: Faults, settings: Settings) -> None:
        self._parts = parts
        self._faults = faults
        self._settings = settings
        self._waiting = {part.name for part in parts}

    @classmethod
    async def build(cls, settings: Settings, names: Sequence[str], stack: AsyncExitStack) -> "_Process":
        faults = Faults(settings.faults)
        secrets = [settings.postgres_url, settings.redis_url or "", settings.token_secret]
        observation = Observation(faults, secrets=secrets)
        parts = []
        for name in names:
            part = await _builder(name)(settings, faults, observation, stack)
            observation.watch(part)
            parts.append(part)
            if part.url and not settings.exchange_url:
                settings = replace(settings, exchange_url=part.url)
        return cls(parts, faults, settings)

    async def work(self) -> None:
        """Runs until cancelled or broken."""
        await self._faults.wait("slow_start")
        async with asyncio.TaskGroup() as group:
            for part in self._parts:
                group.create_task(part.run(self._listening(part)))

    async def stop(self) -> None:
        """Every part at once, the slowest within the time that a process has."""
        await self._faults.wait("slow_stop")
        stopping = [asyncio.ensure_future(part.stop()) for part in self._parts]
        if stopping:
            await asyncio.wait(stopping, timeout=_STOP_S)

    def _listening(self, part: Part) -> Callable[[str, int], None]:
        def tell(host: str, port: int) -> None:
            log.info("listening", part=part.name, host=host, port=port)
            self._waiting.discard(part.name)
            if not self._waiting:
                log.info("ready")

        return tell


def _builder(name: str) -> Build:
    """Imported when it is asked for: a part does not pay for what the others need."""
    build: Build = importlib.import_module(f"tickstream.{name}.part").build
    return build


def _stop_on_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    leaves: list[BaseException] = []
    for error in group.exceptions:
        leaves += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return leaves
