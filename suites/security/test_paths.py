"""No path leads out of the folder of static files, or past a route's lock."""

import pytest

OUTSIDE = ["/etc/passwd", "../page.py", "../templates/watchlists.html.j2", "../../settings.py",
           "../../../pyproject.toml", "../../../../../../../../../../etc/passwd", "watchlists.css/../../page.py",
           "./../page.py", "../static/../page.py", "..", ".", "", "//etc/passwd", "file:///etc/passwd",
           "/proc/self/environ"]  # fmt: skip
WAYS = {
    "plain": lambda path: path,
    "slashes_encoded": lambda path: path.replace("/", "%2f"),
    "dots_encoded": lambda path: path.replace(".", "%2e"),
    "all_encoded": lambda path: "".join(f"%{b:02x}" for b in path.encode()),
    "encoded_twice": lambda path: path.replace("/", "%252f").replace(".", "%252e"),
    "backslashes": lambda path: path.replace("/", "\\"),
    "backslashes_encoded": lambda path: path.replace("/", "%5c"),
    "nul_behind": lambda path: f"{path}%00.css",
    "nul_before": lambda path: f"%00{path}",
    "dots_doubled": lambda path: path.replace("../", "....//"),
    "semicolon": lambda path: path.replace("../", "..;/"),
    "overlong": lambda path: path.replace("/", "%c0%af"),
    "overlong_dots": lambda path: path.replace(".", "%c0%ae"),
    "full_width": lambda path: path.replace("/", "%ef%bc%8f").replace(".", "%ef%bc%8e"),
    "query": lambda path: f"watchlists.css?file={path}",
}


def left_the_folder(answer):
    """Granted, and not the one file that there is."""
    return answer.granted and (answer.header("Content-Type") or "").partition(";")[0] != "text/css"


def test_the_file_that_the_page_needs_is_given(anybody, tally):
    """That there is a folder to leave."""
    answer = anybody.get("/static/watchlists.css")
    assert (answer.status, left_the_folder(answer)) == (200, False)


@pytest.mark.parametrize("way", WAYS)
def test_the_folder_of_static_files_cannot_be_left(way, anybody, tally):
    for path in OUTSIDE:
        tally.tried()
        answer = anybody.get(f"/static/{WAYS[way](path)}")
        assert not left_the_folder(answer), f"{path} was given"
        assert not answer.broken


def test_sweep_of_paths_at_every_route_that_takes_one(system, unique, anybody, tally):
    """Recorded only: the threshold `attacks_succeeded` judges."""
    user = system.user(unique)
    for begin, client in (("/static/", anybody), ("/", anybody), ("/api/v1/bars/", user), ("/api/v1/watchlists/", user),
                          ("/api/v1/patterns/", user), ("/watchlists/", user)):  # fmt: skip
        for way, written in WAYS.items():
            for path in OUTSIDE[:8]:
                tally.tried()
                answer = client.get(begin + written(path))
                if answer.broken or b"root:" in answer.body or b"import " in answer.body:
                    tally.succeeded(f"{way} {path} at {begin}: {answer.status}")


def test_the_sources_and_the_surroundings_are_not_served(anybody, tally):
    for path in ("/tickstream/tokens.py", "/.env", "/.git/HEAD", "/gates.yaml", "/static/../../tokens.py",
                 "/server-status", "/static/.htaccess", "/static/watchlists.css~", "/static/watchlists.css.bak",
                 "/api/v1/../../etc/passwd"):  # fmt: skip
        tally.tried()
        assert anybody.get(path).status == 404


@pytest.mark.parametrize("target", ["*", "http://evil.example/api/v1/symbols", "evil.example:443", "/%", "/%zz", "/%ff",
                                    "/api/v1/bars/%ff%fe", "/api/v1/patterns?symbol=%ff", "/api/v1/bars/%00",
                                    "/api/v1/bars/%ED%A0%80", "?", "#", "/?%00=1"])  # fmt: skip
def test_an_odd_target_is_refused_and_breaks_nothing(target, system, unique, tally):
    tally.tried()
    assert 400 <= system.user(unique).get(target).status < 500
