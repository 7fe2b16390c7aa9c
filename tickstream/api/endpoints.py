"""What patterns, bars and symbols are asked for, and giving a token up: from checked parameters to an answer."""

from datetime import datetime
from typing import Final

from tickstream.api import answers, queries
from tickstream.api.access import Access
from tickstream.api.cursor import CursorError, Cursors
from tickstream.api.database import Database
from tickstream.api.errors import bad_parameter, not_found
from tickstream.api.operation import Call
from tickstream.api.parameters import Value
from tickstream.faults import Faults
from tickstream.model import Pattern

_MOST_SYMBOLS: Final = 10_000


class Endpoints:
    def __init__(self, database: Database, access: Access, cursors: Cursors, faults: Faults) -> None:
        self._database = database
        self._access = access
        self._cursors = cursors
        self._faults = faults

    async def patterns(self, call: Call) -> answers.PatternPage:
        filters, limit = call.filters(), call.limit
        _check_order(filters, "since")
        query = f"patterns {filters}"
        before = self._opened(call, query)
        text, values = queries.patterns(filters, before, limit + 1, self._faults)
        rows = await self._database.fetch(text, *values)
        more = len(rows) > limit
        following = self._cursors.seal(query, rows[limit - 1]["number"]) if more else None
        return answers.PatternPage([answers.pattern(row) for row in rows[:limit]], following)

    async def pattern(self, call: Call) -> Pattern:
        rows = await self._database.fetch(queries.PATTERN, call.values["number"])
        if not rows:
            raise not_found()
        return answers.pattern(rows[0])

    async def bars(self, call: Call) -> answers.BarPage:
        filters, limit = call.filters(), call.limit
        _check_order(filters, "from")
        query = f"bars {filters}"
        before = self._opened(call, query)
        text, values = queries.bars(filters, before, limit + 1, self._faults)
        rows = await self._database.fetch(text, *values)
        more = len(rows) > limit
        following = self._cursors.seal(query, int(rows[limit - 1]["minute"].timestamp())) if more else None
        items = [answers.bar(row) for row in rows[:limit]]
        return answers.BarPage(str(filters["symbol"]), items, following)

    async def symbols(self, _: Call) -> answers.SymbolList:
        rows = await self._database.fetch(queries.SYMBOLS, _MOST_SYMBOLS)
        latest = [answers.LatestPrice(row["symbol"], answers.iso(row["minute"]), str(row["close"])) for row in rows]
        return answers.SymbolList(latest)

    async def give_up_token(self, call: Call) -> None:
        await self._access.give_up(call.known)

    def _opened(self, call: Call, query: str) -> int | None:
        if call.cursor is None:
            return None
        try:
            return self._cursors.open(query, call.cursor)
        except CursorError as error:
            allowed = "allowed is `next` of the page before, with the same filters"
            raise bad_parameter("cursor", allowed) from error


def _check_order(filters: dict[str, Value], since: str) -> None:
    begin, end = filters[since], filters["until"]
    if isinstance(begin, datetime) and isinstance(end, datetime) and begin >= end:
        raise bad_parameter("until", f"allowed is a time after {since}")
