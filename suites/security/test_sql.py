"""Text that is SQL: in every parameter, path and field it stays a text, and the database stays what it was."""

import asyncio
import re

import pytest

from suites.pattern_api import market
from suites.security.routes import WATCHLIST, filled, offered
from suites.security.tally import inside
from suites.system import token

ATTACKS = {
    "or_true": "' OR '1'='1",
    "or_true_comment": "' OR 1=1 --",
    "or_true_bracket": "') OR ('1'='1",
    "double_quote": '" OR ""="',
    "number": "1 OR 1=1",
    "union": "' UNION SELECT 1,'gap',owner,now(),'up',1,1 FROM watchlist --",
    "union_null": "' UNION SELECT NULL,NULL,NULL,NULL,NULL,NULL,NULL --",
    "stacked_drop": "'; DROP TABLE watchlist CASCADE; --",
    "stacked_delete": "1; DELETE FROM pattern",
    "stacked_update": "'; UPDATE watchlist SET owner='mallory'; --",
    "comment": "AAPL'/*",
    "comment_inside": "'/**/OR/**/1=1#",
    "sleep": "' OR pg_sleep(10) IS NULL --",
    "sleep_stacked": "'; SELECT pg_sleep(10); --",
    "blind": "' AND (SELECT substr(owner,1,1) FROM watchlist LIMIT 1)='a",
    "error": "' AND 1=CAST((SELECT version()) AS int) --",
    "division": "' AND 1/0=1 --",
    "dollar_quotes": "$$ OR 1=1 $$",
    "placeholder": "$1",
    "placeholder_format": "%s {0} {limit} :name @name",
    "backslash": "\\' OR 1=1 --",
    "copy": "'; COPY pattern TO PROGRAM 'id'; --",
    "like": "%",
    "full_width_quote": "＇ OR 1=1 --",
    "encoded_twice": "%27%20OR%201=1",
    "second_statement": "x'); INSERT INTO watchlist(owner,name) VALUES('m','m'); --",
    "array": "{}'::text[] || '{x}",
    "json": '{"$gt": ""}',
}  # fmt: skip
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def encoded(text, *, whole=False):
    """For an address; with `whole` every byte, so that nothing is recognised on its way."""
    return "".join(chr(b) if b in _UNRESERVED and not whole else f"%{b:02X}" for b in text.encode())


@pytest.fixture(scope="module")
def filled_tables(running):
    """Rows that an injected query would show: patterns, bars, and a watchlist of somebody else."""
    rows = market.patterns(first=1_000_001, count=20, symbols=("AAPL", "MSFT"))
    asyncio.run(market.insert_patterns(running.database, rows))
    for symbol in ("AAPL", "O'REILLY"):
        asyncio.run(market.insert_bars(running.database, symbol, market.bars(symbol, count=5)))
    running.user("bystander").post("/api/v1/watchlists", {**WATCHLIST, "name": "bystander's own"})


@pytest.fixture
def untouched(running, filled_tables):
    """Fails the test when any table, row or right is not what it was, except for watchlists of the test's users."""

    async def state():
        async with running.database.connect() as connection:
            schema = running.database.schema
            tables = "SELECT relname, relkind FROM pg_class WHERE relnamespace = $1::regnamespace ORDER BY 1"
            rights = "SELECT rolname, rolsuper FROM pg_roles ORDER BY 1"
            return (
                [tuple(row) for row in await connection.fetch(tables, schema)],
                [tuple(row) for row in await connection.fetch(rights)],
                [tuple(row) for row in await connection.fetch("SELECT * FROM pattern ORDER BY number")],
                [tuple(row) for row in await connection.fetch("SELECT * FROM ohlcv_1min ORDER BY symbol, minute")],
                [tuple(row) for row in await connection.fetch("SELECT * FROM watchlist WHERE owner = 'bystander'")],
                await connection.fetchval("SELECT count(*) FROM watchlist WHERE owner IN ('m', 'mallory')"),
            )

    before = asyncio.run(state())
    yield
    assert asyncio.run(state()) == before


def shows_rows(answer):
    """Whether the answer holds anything of the tables."""
    return answer.granted and re.search(r'"number":|"minute":|bystander', answer.body.decode()) is not None


def went_through(answer):
    """Granted with somebody's rows, broken, unanswered in time, or refused with words of the inside."""
    if answer.granted:
        return shows_rows(answer)
    return answer.broken or not answer.status or inside(answer.text()) is not None


def test_without_an_attack_the_same_questions_show_rows(system, unique, filled_tables, tally):
    """That the attacks below could have shown something. The limit is one that no cached answer has."""
    client = system.user(unique)
    assert shows_rows(client.get("/api/v1/patterns?symbol=AAPL&limit=11"))
    assert shows_rows(client.get("/api/v1/bars/AAPL?limit=11"))


@pytest.mark.parametrize("attack", ATTACKS)
def test_sql_as_a_symbol_finds_nothing_and_breaks_nothing(attack, system, unique, untouched, tally):
    client = system.user(unique)
    tally.tried(2)
    assert client.get(f"/api/v1/patterns?symbol={encoded(ATTACKS[attack])}").json() == {"items": [], "next": None}
    assert client.get(f"/api/v1/bars/{encoded(ATTACKS[attack])}").json()["items"] == []


def test_sweep_of_sql_in_every_parameter_of_every_route(system, anybody, unique, untouched, tally):
    """Recorded only: the threshold `attacks_succeeded` judges. The parameters are those of the API's own document."""
    parameters = [(route, *parameter) for route in offered(anybody) for parameter in route.parameters]
    assert len(parameters) > 15
    for n, (route, place, name) in enumerate(parameters):
        client = system.user(f"{unique}-{n}")
        for attack, text in ATTACKS.items():
            for value in (encoded(text), encoded(text, whole=True)):
                target = filled(route.path, {name: value}) if place == "path" else f"{route.target}?{name}={value}"
                tally.tried()
                answer = client.ask(route.method, target, content=WATCHLIST if route.method == "PUT" else None)
                if went_through(answer):
                    tally.succeeded(f"{attack} in {name} of {route.method} {route.path}: {answer.status}")


def test_sweep_of_sql_as_the_name_of_a_parameter(system, unique, untouched, tally):
    """Recorded only: the threshold `attacks_succeeded` judges."""
    client = system.user(unique)
    for attack, text in ATTACKS.items():
        tally.tried(2)
        for target in (f"/api/v1/patterns?{encoded(text)}=1", f"/api/v1/patterns?symbol[{encoded(text)}]=AAPL"):
            answer = client.get(target)
            if answer.status != 400:
                tally.succeeded(f"{attack} as a name: {answer.status}")


@pytest.mark.parametrize("field", ["name", "symbols", "kinds", "min_strength"])
def test_sql_in_a_field_of_a_watchlist_is_refused_or_kept_as_it_was_written(field, system, unique, untouched, tally):
    client = system.user(unique)
    for text in ATTACKS.values():
        value = [text] if field in {"symbols", "kinds"} else text
        tally.tried()
        answer = client.post("/api/v1/watchlists", {**WATCHLIST, field: value})
        if field in {"name", "symbols"}:
            assert (answer.status, answer.json()[field]) == (201, value)
        else:
            assert answer.status == 422


def test_stored_sql_does_nothing_when_it_is_read_again(system, unique, untouched, tally):
    """The second order: what was stored safely comes back from the database and must not be trusted there."""
    client = system.user(unique)
    ids = {}
    for attack, text in ATTACKS.items():
        ids[client.post("/api/v1/watchlists", {**WATCHLIST, "name": text, "symbols": [text]}).json()["id"]] = attack
    tally.tried(3 * len(ids))
    assert {each["id"]: each["name"] for each in client.get("/api/v1/watchlists").json()["items"]} == {
        one: ATTACKS[attack] for one, attack in ids.items()
    }
    assert client.get("/watchlists").status == 200
    for one, attack in ids.items():
        kept = client.ask("PUT", f"/api/v1/watchlists/{one}", content={**WATCHLIST, "name": ATTACKS[attack] + "'"})
        assert kept.json()["name"] == ATTACKS[attack] + "'"


@pytest.mark.parametrize("attack", ["or_true", "stacked_drop", "union", "backslash", "placeholder"])
def test_sql_as_the_users_own_name_shows_nobody_elses_things(attack, system, untouched, tally):
    client = system.client(token(ATTACKS[attack][:64]))
    tally.tried(2)
    assert client.get("/api/v1/watchlists").json() == {"items": []}
    assert b"bystander" not in client.get("/watchlists").body


def test_a_symbol_with_a_quote_in_it_is_found_by_its_name(system, unique, filled_tables, tally):
    """That refusing every quote is not how the attacks above were stopped."""
    name = encoded("O'REILLY")
    answer = system.user(unique).get(f"/api/v1/bars/{name}?limit=11")
    assert len(answer.json()["items"]) == 5


def test_true_and_false_conditions_are_answered_alike(system, unique, untouched, tally):
    """Else a database is read bit by bit, by questions alone."""
    client = system.user(unique)
    for true, false in (("AAPL' AND '1'='1", "AAPL' AND '1'='2"), ("AAPL'||'", "AAPL'||'x"), ("AAPL'--", "XXXX'--")):
        tally.tried()
        answers = {client.get(f"/api/v1/patterns?symbol={encoded(text)}").body for text in (true, false)}
        assert answers == {b'{"items":[],"next":null}'}


def test_a_cursor_cannot_be_made_or_altered(system, unique, filled_tables, tally):
    """A cursor stands in a query's condition, so only one that was handed out may be taken."""
    client = system.user(unique)
    good = client.get("/api/v1/patterns?limit=3").json()["next"]
    assert client.get(f"/api/v1/patterns?limit=3&cursor={good}").status == 200
    forged = [good[:-1] + ("A" if good[-1] != "A" else "B"), "A" * len(good), good[::-1], good + "A", good[:-4],
              "1000005", "' OR 1=1 --", "MTAwMDAwNQ==", "../../x"]  # fmt: skip
    for cursor in forged:
        tally.tried()
        assert client.get(f"/api/v1/patterns?limit=3&cursor={encoded(cursor)}").status == 400
    tally.tried()
    assert client.get(f"/api/v1/patterns?limit=3&symbol=MSFT&cursor={good}").status == 400, "of another question"
