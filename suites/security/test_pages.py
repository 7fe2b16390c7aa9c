"""Names that are markup: in the page they are text, in JSON they stay in their strings, nowhere do they run."""

import json
from html.parser import HTMLParser

import pytest

from suites.security.routes import WATCHLIST
from suites.system import token

MARKUP = {
    "script": "<script>alert(1)</script>",
    "script_src": "<script src=//evil.example/x.js></script>",
    "image": "<img src=x onerror=alert(1)>",
    "svg": "<svg/onload=alert(1)>",
    "end_of_cell": "</td></tr></table><script>alert(1)</script>",
    "end_of_title": "</title><script>alert(1)</script>",
    "attribute_double": '" onmouseover="alert(1)" x="',
    "attribute_single": "' onmouseover='alert(1)' x='",
    "attribute_bare": "x onmouseover=alert(1)",
    "attribute_end": '"><iframe src="javascript:alert(1)">',
    "url": "javascript:alert(1)",
    "url_data": "data:text/html,<script>alert(1)</script>",
    "link": '<a href="javascript:alert(1)">x</a>',
    "style": "<style>@import '//evil.example/x.css';</style>",
    "base": "<base href=//evil.example/>",
    "meta": "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "form": "<form action=//evil.example><input name=token>",
    "comment": "--><script>alert(1)</script><!--",
    "cdata": "]]><script>alert(1)</script>",
    "template": "{{ 7*7 }}{% for x in ().__class__.__base__.__subclasses__() %}",
    "entity": "&lt;script&gt;alert(1)&lt;/script&gt;",
    "entity_quote": "&quot; onmouseover=&quot;alert(1)",
    "script_string": "';alert(1)//",
    "script_end_in_json": "</script><script>alert(1)//",
    "utf_7": "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "full_width": "＜script＞alert(1)＜/script＞",
    "unclosed": "<script",
    "null_free_split": "<scr<script>ipt>alert(1)</scr</script>ipt>",
}
HARMLESS = {"html", "head", "meta", "title", "link", "body", "main", "h1", "h2", "p", "table", "thead", "tbody", "tr",
            "th", "td", "ul", "li", "span", "div", "caption"}  # fmt: skip


class Page(HTMLParser):
    """What a browser would make of it: the elements with their attributes, and the text between them."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements = []
        self.texts = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data.strip())

    def dangers(self):
        """Elements that were not written by the page's author, and attributes that run or lead away."""
        foreign = [tag for tag, _ in self.elements if tag not in HARMLESS]
        attributes = [(name, value or "") for _, attrs in self.elements for name, value in attrs.items()]
        running = [name for name, _ in attributes if name.startswith("on") or name in {"style", "srcdoc", "http-equiv"}]
        leading = [value for name, value in attributes
                   if name in {"href", "src", "action"} and not value.startswith("/static/")]  # fmt: skip
        return foreign + running + leading

    def titles(self):
        return {attrs["title"] for _, attrs in self.elements if "title" in attrs}


def page_of(client):
    answer = client.get("/watchlists")
    assert answer.status == 200
    return Page(answer.body.decode())


@pytest.mark.parametrize("kind", MARKUP)
def test_markup_in_a_name_is_shown_as_it_was_written_and_does_nothing(kind, system, unique, tally):
    client = system.user(unique)
    tally.tried(2)
    client.post("/api/v1/watchlists", {**WATCHLIST, "name": MARKUP[kind], "symbols": [MARKUP[kind][:64]]})
    page = page_of(client)
    assert page.dangers() == []
    assert MARKUP[kind] in page.texts
    assert page.titles() <= {MARKUP[kind]}


@pytest.mark.parametrize("kind", ["script", "end_of_title", "attribute_double", "image", "template"])
def test_markup_in_a_users_own_name_does_nothing(kind, system, tally):
    tally.tried()
    page = page_of(system.client(token(MARKUP[kind][:64])))
    assert page.dangers() == []
    assert any(MARKUP[kind][:64] in text for text in page.texts)


def test_sweep_of_markup_on_one_page(system, unique, tally):
    """Recorded only: the threshold `attacks_succeeded` judges."""
    client = system.user(unique)
    for text in MARKUP.values():
        client.post("/api/v1/watchlists", {**WATCHLIST, "name": text, "symbols": [text[:64]]})
    tally.tried(2 * len(MARKUP))
    for danger in page_of(client).dangers():
        tally.succeeded(f"on the page: {danger}")


def test_the_page_may_run_no_script_and_load_nothing_from_elsewhere(system, unique, tally):
    """The second wall, for the day on which a name is not escaped."""
    policy = system.user(unique).get("/watchlists").header("Content-Security-Policy") or ""
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";")}
    assert rules["default-src"] == ["'none'"]
    assert rules["base-uri"] == rules["form-action"] == rules["frame-ancestors"] == ["'none'"]
    assert "script-src" not in rules
    assert "'unsafe-inline'" not in policy


@pytest.mark.parametrize("path", ["/watchlists", "/api/v1/watchlists", "/api/v1/symbols", "/static/watchlists.css",
                                  "/healthz", "/metrics", "/openapi.json", "/nowhere"])  # fmt: skip
def test_every_answer_forbids_guessing_its_type_and_being_framed(path, system, unique, tally):
    tally.tried()
    answer = system.user(unique).get(path)
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("X-Frame-Options") == "DENY"
    assert answer.header("Referrer-Policy") == "no-referrer"
    assert "default-src 'none'" in (answer.header("Content-Security-Policy") or "")


def test_markup_in_json_is_not_taken_for_a_page(system, unique, tally):
    client = system.user(unique)
    for text in MARKUP.values():
        made = client.post("/api/v1/watchlists", {**WATCHLIST, "name": text})
        tally.tried()
        assert made.header("Content-Type") == "application/json"
        assert json.loads(made.body)["name"] == text


def test_markup_in_a_refused_request_comes_back_in_json_only(system, unique, tally):
    """An error that repeats what was asked must not be a page either."""
    client = system.user(unique)
    mark = "%3Cscript%3Ealert(1)%3C/script%3E"
    for target in (f"/api/v1/patterns?{mark}=1", f"/api/v1/patterns?kind={mark}", f"/{mark}", f"/static/{mark}",
                   f"/api/v1/patterns/{mark}", f"/api/v1/watchlists/{mark}"):  # fmt: skip
        tally.tried()
        answer = client.get(target)
        assert 400 <= answer.status < 500
        assert (answer.header("Content-Type"), answer.header("X-Content-Type-Options")) == (
            "application/json",
            "nosniff",
        )


def test_markup_before_the_token_is_asked_for_is_not_repeated(anybody, tally):
    tally.tried()
    answer = anybody.get("/api/v1/patterns?symbol=%3Cscript%3Ealert(1)%3C/script%3E")
    assert answer.status == 401
    assert "script" not in answer.body.decode()
