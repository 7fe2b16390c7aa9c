"""Every operation of the API: its path, what it needs, what it takes and gives."""

from http import HTTPStatus
from typing import Final

from tickstream.api import answers, parameters
from tickstream.api.endpoints import Endpoints
from tickstream.api.operation import Operation
from tickstream.api.page import Pages
from tickstream.api.watchlists import Watchlists, WatchlistWanted
from tickstream.model import DIRECTIONS, KINDS, Pattern

_LIMIT: Final = parameters.number("limit", "How many at most.", 1, 500, default=100)
_CURSOR: Final = parameters.following()
_SYMBOL: Final = parameters.symbol()
_UNTIL: Final = parameters.moment("until", "Only those of minutes before this time.")
_NUMBER: Final = parameters.number("number", "The pattern's number.", 1, 2**63 - 1)
_ID: Final = parameters.any_text("id", "The watchlist's id.")


def operations(endpoints: Endpoints, watchlists: Watchlists, pages: Pages) -> tuple[Operation, ...]:
    return (*_market(endpoints), *_watchlists(watchlists), *_others(endpoints, pages))


def _market(endpoints: Endpoints) -> tuple[Operation, ...]:
    return (
        Operation(
            method="GET",
            path="/api/v1/patterns",
            name="listPatterns",
            summary="Patterns, newest first.",
            answer=endpoints.patterns,
            scope="patterns:read",
            in_query=(
                _SYMBOL,
                parameters.choice("kind", "Only this kind.", KINDS),
                parameters.choice("direction", "Only this direction.", DIRECTIONS),
                parameters.number("min_strength", "Only those of at least this strength.", 1, 100),
                parameters.moment("since", "Only those of minutes from this time on."),
                _UNTIL,
                _LIMIT,
                _CURSOR,
            ),
            gives=answers.PatternPage,
            cached=True,
        ),
        Operation(
            method="GET",
            path="/api/v1/patterns/{number}",
            name="getPattern",
            summary="One pattern.",
            answer=endpoints.pattern,
            scope="patterns:read",
            in_path=(_NUMBER,),
            gives=Pattern,
            cached=True,
            refusals=(HTTPStatus.NOT_FOUND,),
        ),
        Operation(
            method="GET",
            path="/api/v1/bars/{symbol}",
            name="listBars",
            summary="One-minute bars of a symbol, newest first.",
            answer=endpoints.bars,
            scope="bars:read",
            in_path=(_SYMBOL,),
            in_query=(
                parameters.moment("from", "Only those of minutes from this time on."),
                _UNTIL,
                _LIMIT,
                _CURSOR,
            ),
            gives=answers.BarPage,
            cached=True,
        ),
        Operation(
            method="GET",
            path="/api/v1/symbols",
            name="listSymbols",
            summary="The symbols that have bars, with their latest price.",
            answer=endpoints.symbols,
            scope="bars:read",
            gives=answers.SymbolList,
            cached=True,
            open_by_defect=True,
        ),
    )


def _watchlists(watchlists: Watchlists) -> tuple[Operation, ...]:
    return (
        Operation(
            method="GET",
            path="/api/v1/watchlists",
            name="listWatchlists",
            summary="The user's watchlists, oldest first.",
            answer=watchlists.all,
            scope="watchlists:read",
            gives=answers.WatchlistList,
        ),
        Operation(
            method="POST",
            path="/api/v1/watchlists",
            name="addWatchlist",
            summary="A new watchlist.",
            answer=watchlists.add,
            scope="watchlists:write",
            takes=WatchlistWanted,
            gives=answers.Watchlist,
            status=HTTPStatus.CREATED,
            refusals=(HTTPStatus.CONFLICT,),
        ),
        Operation(
            method="GET",
            path="/api/v1/watchlists/{id}",
            name="getWatchlist",
            summary="One of the user's watchlists.",
            answer=watchlists.one,
            scope="watchlists:read",
            in_path=(_ID,),
            gives=answers.Watchlist,
            refusals=(HTTPStatus.NOT_FOUND,),
        ),
        Operation(
            method="PUT",
            path="/api/v1/watchlists/{id}",
            name="replaceWatchlist",
            summary="Another content for one of the user's watchlists.",
            answer=watchlists.replace,
            scope="watchlists:write",
            in_path=(_ID,),
            takes=WatchlistWanted,
            gives=answers.Watchlist,
            refusals=(HTTPStatus.NOT_FOUND,),
        ),
        Operation(
            method="DELETE",
            path="/api/v1/watchlists/{id}",
            name="removeWatchlist",
            summary="One of the user's watchlists less.",
            answer=watchlists.remove,
            scope="watchlists:write",
            in_path=(_ID,),
            status=HTTPStatus.NO_CONTENT,
            refusals=(HTTPStatus.NOT_FOUND,),
        ),
    )


def _others(endpoints: Endpoints, pages: Pages) -> tuple[Operation, ...]:
    return (
        Operation(
            method="DELETE",
            path="/api/v1/token",
            name="giveUpToken",
            summary="Give up the token that this request came with.",
            answer=endpoints.give_up_token,
            status=HTTPStatus.NO_CONTENT,
        ),
        Operation(
            method="GET",
            path="/watchlists",
            name="watchlistsPage",
            summary="The user's watchlists as a page.",
            answer=pages.watchlists,
            scope="watchlists:read",
            content_type="text/html",
        ),
        Operation(
            method="GET",
            path="/static/{path}",
            name="staticFile",
            summary="A file that the page needs.",
            answer=pages.static,
            private=False,
            in_path=(parameters.any_text("path", "The file's name."),),
            content_type="*/*",
            refusals=(HTTPStatus.NOT_FOUND,),
        ),
        *(
            Operation(
                method="GET",
                path=path,
                name=name,
                summary=summary,
                answer=pages.process,
                private=False,
                content_type=content_type,
            )
            for path, name, summary, content_type in (
                ("/healthz", "health", "How the process and its parts feel.", "application/json"),
                ("/metrics", "metrics", "What it counts, for Prometheus.", "text/plain"),
                ("/openapi.json", "openapi", "This document.", "application/json"),
            )
        ),
    )
