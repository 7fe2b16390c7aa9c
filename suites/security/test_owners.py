"""What belongs to a user is there for that user alone; to all others it is as if it had never been."""

import time
import uuid

import pytest

from suites.security.routes import WATCHLIST
from suites.system import token

OTHERS = {
    "GET": None,
    "PUT": {"name": "taken over", "symbols": [], "kinds": [], "min_strength": 1},
    "DELETE": None,
}


@pytest.fixture
def owner(system, unique):
    return system.user(f"{unique}-owner")


@pytest.fixture
def thief(system, unique):
    return system.user(f"{unique}-thief")


@pytest.fixture
def theirs(owner):
    """The address of the owner's watchlist."""
    return f"/api/v1/watchlists/{owner.post('/api/v1/watchlists', WATCHLIST).json()['id']}"


@pytest.mark.parametrize("method", OTHERS)
def test_another_users_watchlist_cannot_be_told_from_one_that_never_was(method, thief, theirs, tally):
    tally.tried()
    absent = f"/api/v1/watchlists/{uuid.uuid4()}"
    answer = thief.ask(method, theirs, content=OTHERS[method])
    assert answer.status == 404
    assert answer.lasting() == thief.ask(method, absent, content=OTHERS[method]).lasting()


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_another_users_watchlist_is_as_it_was_after_the_attempt(method, owner, thief, theirs, tally):
    before = owner.get(theirs).lasting()
    tally.tried()
    thief.ask(method, theirs, content=OTHERS[method])
    assert owner.get(theirs).lasting() == before


def test_another_users_watchlist_is_in_no_list_and_on_no_page(owner, thief, theirs, tally):
    tally.tried(2)
    assert thief.get("/api/v1/watchlists").json() == {"items": []}
    page = thief.get("/watchlists")
    assert page.status == 200
    assert theirs.rpartition("/")[2] not in page.body.decode()


def test_a_wrong_body_for_another_users_watchlist_tells_nothing_either(thief, theirs, tally):
    """Neither for a bad value nor for a bad document may the existence show."""
    absent = f"/api/v1/watchlists/{uuid.uuid4()}"
    for body in (b"{", b"[]", b'{"name": ""}', b'{"name": 5}'):
        sent = {"headers": [("Content-Type", "application/json")], "body": body}
        tally.tried()
        assert thief.ask("PUT", theirs, **sent).lasting() == thief.ask("PUT", absent, **sent).lasting()


@pytest.mark.parametrize(
    "alike",
    ["ada ", " ada", "Ada", "ADA", "аda", "ａｄａ", "ada\u0301", "adа", "a%64a", "%", "_da", "*", "ada'--", "ada;",
     "ada,bob", "ada/../ada", "null", "0", "-1", "undefined"],
    ids=ascii,
)  # fmt: skip
def test_a_user_whose_name_resembles_anothers_is_somebody_else(alike, system, unique, tally):
    name = f"{unique}-ada"
    system.user(name).post("/api/v1/watchlists", WATCHLIST)
    resembling = name.replace("ada", alike) if "da" in alike.lower() or "%64" in alike else alike
    tally.tried()
    assert system.user(resembling).get("/api/v1/watchlists").json() == {"items": []}


def test_a_name_composed_otherwise_is_another_user(system, unique, tally):
    """U+00E9 and e with U+0301 look the same and are two users; neither sees what the other has."""
    system.user(f"{unique}-caf\u00e9").post("/api/v1/watchlists", WATCHLIST)
    tally.tried()
    assert system.user(f"{unique}-cafe\u0301").get("/api/v1/watchlists").json() == {"items": []}


@pytest.mark.parametrize("field", ["owner", "user", "user_id", "id", "created_at", "__proto__", "constructor"])
def test_nobody_makes_a_watchlist_for_somebody_else(field, system, owner, thief, unique, tally):
    tally.tried()
    answer = thief.post("/api/v1/watchlists", {**WATCHLIST, field: f"{unique}-owner"})
    assert answer.status == 422
    assert owner.get("/api/v1/watchlists").json() == {"items": []}


@pytest.mark.parametrize("query", ["owner={o}", "user={o}", "user_id={o}", "as={o}", "sub={o}"])
def test_nobody_reads_as_somebody_else(query, system, thief, theirs, unique, tally):
    tally.tried()
    assert thief.get(f"/api/v1/watchlists?{query.format(o=f'{unique}-owner')}").status == 400


@pytest.mark.parametrize("header", ["X-User", "X-Forwarded-User", "X-Remote-User", "X-Auth-User", "From", "X-Owner"])
def test_a_header_does_not_make_somebody_else_of_a_user(header, thief, theirs, unique, tally):
    tally.tried()
    assert thief.get(theirs, headers=[(header, f"{unique}-owner")]).status == 404


def test_ids_of_watchlists_are_random(owner, tally):
    ids = [uuid.UUID(owner.post("/api/v1/watchlists", WATCHLIST).json()["id"]) for _ in range(20)]
    assert {one.version for one in ids} == {4}
    assert len({str(one)[:8] for one in ids}) == 20


@pytest.mark.parametrize(
    "spelling", [str.upper, lambda i: i.replace("-", ""), lambda i: f"{{{i}}}", lambda i: f"urn:uuid:{i}"],
    ids=["upper", "no_hyphens", "braces", "urn"],
)  # fmt: skip
def test_another_spelling_of_an_id_opens_no_other_door(spelling, thief, theirs, tally):
    tally.tried()
    assert thief.get(f"/api/v1/watchlists/{spelling(theirs.rpartition('/')[2])}").status == 404


def test_what_belongs_to_a_user_is_kept_by_no_cache(owner, theirs, tally):
    for path in (theirs, "/api/v1/watchlists", "/watchlists"):
        answer = owner.get(path)
        assert answer.header("Cache-Control") == "no-store"
        assert answer.header("X-Cache") is None


def test_sweep_of_ids_that_are_near_a_real_one(thief, theirs, tally):
    """Recorded only: the threshold `unauthorised_answers` judges."""
    real = uuid.UUID(theirs.rpartition("/")[2]).int
    for near in (real, *(real ^ (1 << bit) for bit in range(0, 128, 4))):
        tally.tried()
        answer = thief.get(f"/api/v1/watchlists/{uuid.UUID(int=near)}")
        if answer.status != 404:
            tally.unauthorised(f"another user's watchlist: {answer.status}")


def test_times_of_refusals_are_recorded_for_comparison(thief, theirs, metrics, tally):
    """Whether existence shows in the time is for a person to judge: on a busy machine no limit would mean anything."""
    for name, path in (("refused_foreign", theirs), ("refused_absent", f"/api/v1/watchlists/{uuid.uuid4()}")):
        times = metrics.histogram(name, unit="s")
        for _ in range(30):
            tally.tried()
            began = time.perf_counter()
            assert thief.get(path).status == 404
            times.record(time.perf_counter() - began)


def test_two_tokens_of_one_user_see_the_same(system, unique, tally):
    """That the walls stand between users, not between tokens."""
    system.client(token(unique)).post("/api/v1/watchlists", WATCHLIST)
    assert len(system.client(token(unique)).get("/api/v1/watchlists").json()["items"]) == 1
