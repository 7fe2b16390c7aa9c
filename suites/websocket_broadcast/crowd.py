"""Many users at once, through a client that costs little: what is measured is the service and not the client."""

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Self

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from suites.system import token
from suites.websocket_broadcast.told import Pattern, Wish, expected

_AT_ONCE = 50
_BEGIN = b'{"type":"pattern","number":'


@dataclass
class Member(WSListener):  # type: ignore[misc]  # the library's class has no annotations
    """One user; `got` are numbers with the time of their arrival."""

    user: str
    wish: Wish
    got: list[tuple[int, float]] = field(default_factory=list)
    came: float = 0.0
    closed: int = 0

    def __post_init__(self) -> None:
        self.ready = asyncio.Event()
        self.transport: WSTransport | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        frame = {"type": "subscribe", **self.wish.frame()}
        transport.send(WSMsgType.TEXT, json.dumps(frame).encode())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        now = time.perf_counter()
        if frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            self.closed = int(frame.get_close_code().value)
            transport.disconnect()
        else:
            payload = frame.get_payload_as_bytes()
            if payload.startswith(_BEGIN):
                self.got.append((int(payload[len(_BEGIN) : payload.index(b",", len(_BEGIN))]), now))
            elif b'"subscribed"' in payload:
                self.ready.set()

    @property
    def last(self) -> int:
        return max((number for number, _ in self.got), default=0)


class Crowd:
    """Use as `async with Crowd(url, wishes) as crowd`: one user for each wish, all of them subscribed."""

    def __init__(self, url: str, wishes: list[Wish], *, name: str = "u", all_come: bool = True) -> None:
        """With `all_come=False` those who are refused are left out of `members`."""
        self._url = url
        self._all_come = all_come
        self.members = [Member(f"{name}{number}", wish) for number, wish in enumerate(wishes)]

    async def __aenter__(self) -> Self:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def come(member: Member) -> None:
            async with gate:
                await self.come(member)

        came = await asyncio.gather(*(come(member) for member in self.members), return_exceptions=not self._all_come)
        self.members = [member for member, refusal in zip(self.members, came, strict=True) if refusal is None]
        return self

    async def __aexit__(self, *_: object) -> None:
        for member in self.members:
            if member.transport is not None:
                member.transport.disconnect()
        await asyncio.sleep(0)

    async def come(self, member: Member) -> None:
        """Connect this one; returns when it has subscribed."""
        headers = {"Authorization": f"Bearer {token(member.user)}"}
        member.came = time.perf_counter()
        await ws_connect(lambda: member, self._url, extra_headers=headers)
        await member.ready.wait()


@dataclass(frozen=True, slots=True)
class Findings:
    """What a crowd got against what each asked for; in numbers of patterns."""

    lost: int
    doubled: int
    reordered: int
    wrong: int


def compare(members: list[Member], told: dict[int, Pattern], before: int) -> Findings:
    """Everything with a number below `before`; what was told later may still be under way."""
    lost = doubled = reordered = wrong = 0
    for member in members:
        numbers = [number for number, _ in member.got if number < before]
        due = {number for number in expected(member.wish, told) if number < before}
        counts = Counter(numbers)
        lost += len(due - counts.keys())
        wrong += len(counts.keys() - due)
        doubled += sum(count - 1 for count in counts.values())
        reordered += sum(one > two for one, two in pairwise(numbers))
    return Findings(lost, doubled, reordered, wrong)


def record(metrics: Any, findings: Findings) -> None:
    metrics.counter("broadcast_lost").add(findings.lost)
    metrics.counter("broadcast_doubled").add(findings.doubled)
    metrics.counter("broadcast_reordered").add(findings.reordered)
    metrics.counter("wrongly_delivered").add(findings.wrong)
