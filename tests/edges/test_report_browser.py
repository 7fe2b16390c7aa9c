"""The page in a real browser: what it loads, what it runs, who can use it, how it looks on paper."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from gate.report import html
from tests import dossiers

_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(_CHROMIUM is None, reason="needs a Chromium on PATH"),
    pytest.mark.xdist_group("browser"),
]


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=_CHROMIUM, args=_ARGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, str]:
    """The address of the page of each dossier."""
    folder = tmp_path_factory.mktemp("pages")
    for name, make in dossiers.ALL.items():
        folder.joinpath(f"{name}.html").write_text(
            html.render(make(), with_plots=name in ("go", "no_go")), encoding="utf-8"
        )
    return {name: folder.joinpath(f"{name}.html").as_uri() for name in dossiers.ALL}


@pytest.fixture
def visit(browser, pages):
    """Open the page of a dossier; afterwards the context is closed."""
    opened = []

    def go_to(name, **options):
        context = browser.new_context(**options)
        opened.append(context)
        page = context.new_page()
        page.goto(pages[name])
        return page

    yield go_to
    for context in opened:
        context.close()


@pytest.fixture(scope="module")
def axe() -> str:
    package = find_spec("axe_playwright_python")
    if package is None or package.origin is None:
        pytest.skip("needs axe, from axe-playwright-python")
    return Path(package.origin).with_name("axe.min.js").read_text(encoding="utf-8")


_LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "narrow": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}


@pytest.mark.parametrize(
    ("name", "look"), [("no_go", "light"), ("go_with_waivers", "dark"), ("partial", "narrow"), ("inconclusive", "dark")]
)
def test_axe_finds_nothing_to_object_to(visit, axe, name, look):
    page = visit(name, **_LOOKS[look])
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(result => result.violations)")
    assert [(v["id"], v["nodes"][0]["html"][:200], v["nodes"][0]["failureSummary"]) for v in found] == []


def test_the_page_asks_for_nothing_runs_nothing_and_has_nothing_to_complain_about(browser, pages):
    context = browser.new_context()
    asked, said = [], []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.goto(pages["hostile"])
    assert asked == [pages["hostile"]]
    assert said == []
    assert page.evaluate("document.scripts.length") == 0
    context.close()


@pytest.mark.parametrize("name", ["go_with_waivers", "no_go", "empty", "hostile"])
def test_nothing_is_wider_than_the_window(visit, name):
    page = visit(name)
    for width in (360, 800, 1280):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_decision_is_by_far_the_largest_thing_on_the_first_screen(visit):
    page = visit("no_go", **_LOOKS["light"])
    assert page.locator("h1").bounding_box()["y"] < 300
    sizes = page.evaluate(
        "[...document.querySelectorAll('body *')].filter(e => e.textContent.trim())"
        ".map(e => [e.tagName, parseFloat(getComputedStyle(e).fontSize)]).filter(([tag]) => tag !== 'H1')"
    )
    largest = page.evaluate("parseFloat(getComputedStyle(document.querySelector('h1')).fontSize)")
    assert largest > 3 * max(size for _, size in sizes)


def test_the_page_reads_in_order_with_styles_blocked(browser, pages):
    context = browser.new_context()
    page = context.new_page()
    page.goto(pages["no_go"])
    page.evaluate("document.querySelector('style').remove()")
    tops = page.evaluate(
        "[...document.querySelectorAll('h1, h2')].map(e => [e.innerText, e.getBoundingClientRect().y])"
    )
    names = [name.split()[0] for name, _ in tops]
    assert names[:5] == ["NO-GO", "What", "Did", "Decided", "Sign-off"]
    assert [top for _, top in tops] == sorted(top for _, top in tops)
    assert page.evaluate("getComputedStyle(document.querySelector('table')).display") == "table"
    context.close()


def test_the_keyboard_reaches_the_decision_the_sections_and_what_is_folded(visit):
    page = visit("no_go", **_LOOKS["light"])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    page.locator("h1:focus").wait_for()
    failure = page.locator("details.failure").first
    failure.locator("summary").focus()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert failure.evaluate("fold => fold.open")
    assert failure.locator("pre").is_visible()


def test_dark_is_dark_and_plots_follow(visit):
    light, dark = (visit("go", **_LOOKS[look]) for look in ("light", "dark"))
    background = "getComputedStyle(document.documentElement).backgroundColor"
    line = "getComputedStyle([...document.querySelectorAll('.plot path')].find(p => p.getAttribute('stroke'))).stroke"
    assert light.evaluate(background) == "rgb(255, 255, 255)"
    assert max(int(part) for part in dark.evaluate(background)[4:-1].split(",")) < 40
    assert light.evaluate(line) != dark.evaluate(line)


def test_paper_is_white_and_shows_what_the_screen_folds(visit):
    page = visit("no_go", **_LOOKS["dark"])
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("nav").is_hidden()
    assert page.evaluate(
        "getComputedStyle(document.querySelector('details'), '::details-content').contentVisibility"
    ) == ("visible")
    assert page.locator("details.failure pre").first.bounding_box()["height"] > 50
