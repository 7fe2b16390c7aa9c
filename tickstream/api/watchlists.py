"""Watchlists: what a user wants to see, kept for that user alone.

Every query names the owner; somebody else's watchlist is not there, in the same words as one that never was.
"""

from http import HTTPStatus
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import asyncpg
from msgspec import Meta, Struct

from tickstream.api import answers, queries
from tickstream.api.database import Database
from tickstream.api.errors import Refusal, not_found
from tickstream.api.operation import Call
from tickstream.api.parameters import SYMBOL_CHARACTERS
from tickstream.faults import Faults

Kind = Literal["breakout", "gap", "volume_spike", "engulfing"]

PER_USER: Final = 100


class WatchlistWanted(Struct, frozen=True, forbid_unknown_fields=True):
    """A watchlist as its owner writes it. Empty lists mean every symbol, every kind."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    symbols: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=SYMBOL_CHARACTERS)]], Meta(max_length=100)
    ] = []
    kinds: Annotated[list[Kind], Meta(max_length=4)] = []
    min_strength: Annotated[int, Meta(ge=1, le=100)] = 1

    def __post_init__(self) -> None:
        if not self.name.isprintable() or not all(symbol.isprintable() for symbol in self.symbols):
            raise ValueError("Only printable characters are allowed in names and symbols")


class Watchlists:
    def __init__(self, database: Database, faults: Faults) -> None:
        self._database = database
        self._faults = faults

    async def all(self, call: Call) -> answers.WatchlistList:
        return answers.WatchlistList(await self.of(call.user))

    async def of(self, user: str) -> list[answers.Watchlist]:
        return [answers.watchlist(row) for row in await self._fetch(queries.WATCHLISTS, user)]

    async def one(self, call: Call) -> answers.Watchlist:
        return await self._named(call, queries.WATCHLIST)

    async def add(self, call: Call) -> answers.Watchlist:
        async with self._database.session() as connection, connection.transaction():
            # One at a time per user, so that the bound is one.
            await connection.execute(queries.LOCK_OWNER, call.user)
            if await connection.fetchval(queries.COUNT_WATCHLISTS, call.user) >= PER_USER:
                message = f"a user has up to {PER_USER} watchlists"
                raise Refusal(HTTPStatus.CONFLICT, "too_many_watchlists", message)
            row = await connection.fetchrow(queries.ADD_WATCHLIST, call.user, *_values(call.body))
        return answers.watchlist(row)

    async def replace(self, call: Call) -> answers.Watchlist:
        return await self._named(call, queries.REPLACE_WATCHLIST, *_values(call.body))

    async def remove(self, call: Call) -> None:
        await self._named(call, queries.REMOVE_WATCHLIST)

    async def _named(self, call: Call, query: str, *values: Any) -> answers.Watchlist:
        """The watchlist that the call names, as `query` returns it. Raises Refusal where its user has no such one."""
        try:
            wanted = UUID(str(call.values["id"]))
        except ValueError as error:
            raise not_found() from error
        rows = await self._fetch(query, call.user, wanted, *values)
        if not rows:
            await self._tell_existence(wanted)
            raise not_found()
        return answers.watchlist(rows[0])

    async def _fetch(self, query: str, *values: Any) -> list[asyncpg.Record]:
        return await self._database.fetch(queries.owned(query, self._faults), *values)

    async def _tell_existence(self, wanted: UUID) -> None:
        if self._faults.on("tell_existence") and await self._database.fetch(queries.WATCHLIST_EXISTS, wanted):
            raise Refusal(HTTPStatus.FORBIDDEN, "not_yours", "this watchlist is another user's")


def _values(wanted: WatchlistWanted) -> tuple[Any, ...]:
    return wanted.name, wanted.symbols, wanted.kinds, wanted.min_strength
