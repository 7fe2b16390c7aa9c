"""Watchlists: a user's own, and nobody else's."""

import asyncio
from uuid import UUID

import pytest

from suites.pattern_api.client import Client

PATH = "/api/v1/watchlists"
WANTED = {"name": "Techs", "symbols": ["AAPL", "MSFT"], "kinds": ["gap", "breakout"], "min_strength": 40}
SCRIPT = "<script>alert(1)</script>"


async def test_a_watchlist_is_kept_changed_and_removed(api, unique):
    async with Client(api, unique) as ada:
        added = await ada.send("POST", PATH, json=WANTED)
        place = f"{PATH}/{added.json['id']}"
        seen = await ada.get(place)
        changed = await ada.send("PUT", place, json={"name": "All"})
        listed = await ada.get(PATH)
        removed = await ada.send("DELETE", place)
        gone = await ada.get(place)
    assert (added.status, removed.status, removed.body, gone.status) == (201, 204, b"", 404)
    assert {name: added.json[name] for name in WANTED} == WANTED
    assert UUID(added.json["id"])
    assert seen.json == added.json
    assert changed.json == {**added.json, "name": "All", "symbols": [], "kinds": [], "min_strength": 1}
    assert listed.items == [changed.json]


async def test_watchlists_come_oldest_first(api, unique):
    async with Client(api, unique) as ada:
        added = [(await ada.send("POST", PATH, json={"name": f"{number}"})).json for number in range(5)]
        listed = await ada.get(PATH)
    assert listed.items == added


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_another_users_watchlist_answers_as_one_that_never_was(api, unique, method):
    async with Client(api, unique) as ada, Client(api, f"not-{unique}") as eve:
        place = f"{PATH}/{(await ada.send('POST', PATH, json=WANTED)).json['id']}"
        body = {"json": {"name": "stolen"}} if method == "PUT" else {}
        theirs = await eve.send(method, place, **body)
        never = await eve.send(method, f"{PATH}/00000000-0000-4000-8000-000000000000", **body)
        nonsense = await eve.send(method, f"{PATH}/nonsense", **body)
        still = await ada.get(place)
    assert theirs.status == never.status == nonsense.status == 404
    assert theirs.body == never.body == nonsense.body
    assert {name: still.json[name] for name in WANTED} == WANTED


async def test_another_users_watchlists_are_not_listed(api, unique):
    async with Client(api, unique) as ada, Client(api, f"not-{unique}") as eve:
        await ada.send("POST", PATH, json=WANTED)
        assert (await eve.get(PATH)).items == []
        assert WANTED["name"] not in (await eve.send("GET", "/watchlists")).body.decode()


async def test_a_user_has_up_to_a_hundred_however_fast_they_come(api, unique):
    async with Client(api, unique) as ada:
        answers = await asyncio.gather(*(ada.send("POST", PATH, json=WANTED) for _ in range(110)))
        listed = await ada.get(PATH)
    assert sorted(answer.status for answer in answers) == [201] * 100 + [409] * 10
    assert len(listed.items) == 100


async def test_names_stand_in_the_page_as_text(api, unique):
    async with Client(api, unique) as ada:
        await ada.send("POST", PATH, json={"name": SCRIPT, "symbols": ['"><img src=x onerror=alert(1)>']})
        await ada.send("POST", PATH, json={"name": "' onmouseover='alert(1)"})
        page = await ada.send("GET", "/watchlists")
    text = page.body.decode()
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert SCRIPT not in text
    assert "<img" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "&#39; onmouseover=" in text
    assert "script-src" not in page.headers["Content-Security-Policy"]


async def test_a_users_own_things_are_never_kept_for_others(api, unique):
    async with Client(api, unique) as ada:
        await ada.send("POST", PATH, json=WANTED)
        answers = [await ada.get(PATH) for _ in range(3)]
    assert all("X-Cache" not in answer.headers for answer in answers)


@pytest.mark.parametrize("path", ["../part.py", "..%2Fpart.py", "%2e%2e/part.py", "/etc/hostname", "..\\part.py"])
async def test_the_folder_of_static_files_cannot_be_left(api, path):
    async with Client(api) as ada:
        answer = await ada.send("GET", f"/static/{path}")
    assert (answer.status, answer.error["code"]) == (404, "not_found")


async def test_the_page_brings_its_style(api):
    async with Client(api) as ada:
        page = (await ada.send("GET", "/watchlists")).body.decode()
        style = await ada.send("GET", "/static/watchlists.css")
    assert 'href="/static/watchlists.css"' in page
    assert (style.status, style.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
