"""The search page in a browser."""

import base64
import time
from contextlib import suppress
from pathlib import Path

import pytest
from servers import picture, serve_in_thread

from kaleido.serve.app import create_app
from kaleido.serve.config import ServeConfig

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'kaleido-bert[test]'")
CHROMIUM = Path("/usr/bin/chromium")
if not CHROMIUM.exists():
    pytest.skip(f"needs a browser: no {CHROMIUM} (apt-get install chromium)", allow_module_level=True)

# The machine's network may be closed: the browser asks for nothing but the page.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def address(app):
    yield from serve_in_thread(app)


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def open_page(browser, address):
    """Opens the page; at the end nothing was asked of another host, and no script has failed."""
    contexts, asked, problems = [], [], []

    def opened(path="", at=address, **options):
        context = browser.new_context(**{"viewport": WIDE, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda told: problems.append(told.text) if "Content Security" in told.text else None)
        page.goto(at + path)
        until(page, "document.title.includes('shop') || document.querySelector('#ask').open")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not problems
    assert all(url.startswith(("http://127.0.0.1", "blob:")) for url in asked)


def titles(page) -> list[str]:
    return page.locator(".card .name").all_inner_texts()


def until(page, expression: str, argument=None) -> None:
    """Waits until an expression is true; Playwright's own function needs `eval`, which the page's policy forbids."""
    end = time.monotonic() + 20
    while not page.evaluate(expression, argument):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(20)


def wait_for(page, text: str) -> None:
    """Waits until the status says something, and the grid is up to date."""
    told = "text => document.querySelector('#status').textContent.includes(text)"
    until(page, f"text => ({told})(text) && !document.querySelector('#grid').hasAttribute('aria-busy')", text)


def wait_for_titles(page, expected: list[str]) -> None:
    """Waits for the results of the last search; those of words that were typed before it may be shown first."""
    shown = "[...document.querySelectorAll('.card .name')].map((name) => name.textContent)"
    until(page, f"expected => JSON.stringify({shown}) === JSON.stringify(expected)", expected)


def wait_for_first(page, title: str) -> None:
    until(page, "title => document.querySelector('.card .name')?.textContent === title", title)


def test_results_fill_while_one_types(open_page, engine):
    page = open_page()
    assert "Search 24 products by words" in page.inner_text("#welcome")
    page.locator("#words").press_sequentially("red shirt", delay=10)
    wait_for_titles(page, [hit.title for hit in engine.index.search("red shirt", top=24)])
    until(page, "document.querySelectorAll('.tile img.here').length > 3")
    assert page.url.endswith("?q=red+shirt")
    page.fill("#words", "")
    page.wait_for_selector("#welcome:visible")
    assert titles(page) == []


def test_a_late_answer_is_dropped(open_page, engine):
    page, held = open_page(), []
    page.route("**/api/search*text=red*", lambda route: held.append(route))
    with page.expect_request("**/api/search*text=red*"):
        page.fill("#words", "red")
    page.fill("#words", "blue hat")
    shown = [hit.title for hit in engine.index.search("blue hat", top=24)]
    wait_for_titles(page, shown)
    hit = {"id": "p/00", "score": 1, "match": None, "title": "late", "photo": "p/00", "fields": {}}
    with suppress(sync_api.Error):  # the page no longer waits for it
        held[0].fulfill(json={"hits": [hit], "milliseconds": 1, "notes": []})
    page.wait_for_timeout(200)
    assert titles(page) == shown


def test_a_photo_by_file_paste_and_drop_and_words_with_it(open_page, engine):
    photo = picture((30, 60, 200))
    expected = [hit.title for hit in engine.index.search(photo=photo, top=24)]
    file = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo}
    page = open_page()
    page.set_input_files("#file", file)
    wait_for(page, "products")
    assert titles(page) == expected and page.is_visible("#photo-shown")
    page.fill("#words", "green hat")
    both = engine.index.search("green hat", photo, top=24)[0].title
    wait_for_first(page, both)
    page.click("#photo-away")
    alone = engine.index.search("green hat", top=24)[0].title
    wait_for_first(page, alone)
    for event, holder in (("paste", "clipboardData"), ("drop", "dataTransfer")):
        page = open_page()
        page.evaluate(
            """([event, holder, text]) => {
                const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
                const data = new DataTransfer();
                data.items.add(new File([bytes], "a.jpg", {type: "image/jpeg"}));
                const Kind = holder === "clipboardData" ? ClipboardEvent : DragEvent;
                document.body.dispatchEvent(new Kind(event, {[holder]: data, bubbles: true, cancelable: true}));
            }""",
            [event, holder, base64.b64encode(photo).decode()],
        )
        wait_for(page, "products")
        assert titles(page) == expected, event


def test_filters_similar_and_no_results(open_page, engine):
    page = open_page("?q=shirt")
    wait_for(page, "products")
    page.click(".filter[data-column=category] summary")
    page.check(".filter[data-column=category] label:has-text('hats') input")
    wait_for(page, "12 products")
    assert all("hat" in title for title in titles(page))
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.click(".filter[data-column=price] summary")
    page.fill(".filter[data-column=price] input >> nth=0", "30")
    wait_for(page, "4 products")
    page.fill(".filter[data-column=price] input >> nth=0", "3000")
    wait_for(page, "Nothing found")
    page.click(".clear")
    wait_for(page, "24 products")
    page.click(".filter[data-column=colour] summary")
    page.check(".filter[data-column=colour] label:has-text('odd') input")  # with quotes and signs of HTML
    wait_for(page, "6 products")
    page.click("text=Clear filters")
    wait_for(page, "24 products")
    page.fill("#words", "")  # filters alone are enough
    page.wait_for_selector("#welcome:visible")
    page.click(".filter[data-column=category] summary")
    page.check(".filter[data-column=category] label:has-text('hats') input")
    wait_for(page, "12 products")
    page.click(".clear")
    page.wait_for_selector("#welcome:visible")
    page.fill("#words", "shirt")
    wait_for(page, "24 products")
    first = engine.index.search("shirt", top=1)[0]
    page.hover(".item >> nth=0")
    page.click(".item >> nth=0 >> .similar")
    page.wait_for_selector("#similar-chip:visible")
    wait_for(page, "23 products")
    assert titles(page) == [hit.title for hit in engine.index.similar(first.id, top=24)]
    page.click("#similar-away")
    wait_for(page, "24 products")


def test_details(open_page, client):
    page = open_page("?q=red%20shirt%20number%200")
    wait_for(page, "products")
    page.locator(".card", has=page.get_by_text("red shirt number 0", exact=True)).click()
    page.wait_for_selector("#labels:visible")
    assert page.inner_text("#details-title") == "red shirt number 0"
    columns = page.inner_text("#column-list")
    assert all(text in columns for text in ("colour", "red", "price", "10"))
    assert page.locator(".predicted").count() == 3 and "category" in page.inner_text("#label-list")
    assert page.locator("#strip button").count() == 2
    page.click("#details-why")
    page.wait_for_selector(".word")
    assert page.locator(".word").all_inner_texts() == ["red", "shirt", "number", "0"]
    page.click(".word >> nth=1")
    assert page.get_attribute(".word >> nth=1", "aria-pressed") == "true"
    marked, photo = page.locator("#marks").bounding_box(), page.locator("#details-photo").bounding_box()
    assert all(abs(marked[side] - photo[side]) < 2 for side in photo)
    page.click("#strip button >> nth=1")
    assert page.locator("#marks rect").count() == 0
    until(page, "document.querySelector('#details-photo').naturalWidth > 0")
    page.click("#details-similar")
    page.wait_for_selector("#similar-chip:visible")
    assert not page.locator("#details").is_visible()


def test_the_keyboard_is_enough(open_page, engine):
    page = open_page()
    page.keyboard.type("hat")
    shown = [hit.title for hit in engine.index.search("hat", top=24)]
    wait_for_titles(page, shown)

    def focused():
        return page.evaluate(
            "document.activeElement.querySelector?.('.name')?.textContent ?? document.activeElement.id"
        )

    assert focused() == "words"
    page.keyboard.press("ArrowDown")
    assert focused() == shown[0]
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    columns = page.evaluate("getComputedStyle(grid).gridTemplateColumns.split(' ').length")
    assert focused() == shown[1 + columns]
    page.keyboard.press("Enter")
    page.wait_for_selector("#details:visible")
    assert page.inner_text("#details-title") == shown[1 + columns]
    page.keyboard.press("Escape")
    page.wait_for_selector("#details:visible", state="hidden")
    assert focused() == shown[1 + columns]
    page.keyboard.press("Tab")  # to "Similar" of the same product
    page.keyboard.press("Enter")
    page.wait_for_selector("#similar-chip:visible")
    page.keyboard.press("/")
    assert focused() == "words"
    page.keyboard.press("Escape")
    page.wait_for_selector("#welcome", state="visible")


def test_texts_of_the_catalogue_are_text(open_page):
    odd = "<img src=x onerror=alert(1)> <b>&amp; 'é\" </b>"
    hit = {"id": odd, "score": 1, "match": None, "title": odd, "photo": odd, "fields": {odd: odd, "colour": odd}}
    product = {"id": odd, "title": odd, "photos": [odd, odd], "fields": {odd: odd}, "caption": odd}
    labels = {odd: [{"label": odd, "probability": 0.5}]}
    page = open_page()
    page.route("**/api/search*", lambda route: route.fulfill(json={"hits": [hit], "milliseconds": 1, "notes": [odd]}))
    page.route("**/api/product*", lambda route: route.fulfill(json={**product, "labels": labels}))
    page.fill("#words", odd)
    wait_for(page, f"1 product, 1 ms; {odd}")
    assert titles(page) == [odd]
    page.click(".card")
    page.wait_for_selector("#labels:visible")
    for place in ("#details-title", "#column-list dt", "#column-list dd", "#caption", ".predicted span"):
        assert odd in page.text_content(place), place
    assert page.locator("b, img[src=x]").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_in_light_and_dark(open_page, scheme):
    page = open_page("?q=red%20shirt", viewport=PHONE, color_scheme=scheme)
    wait_for(page, "products")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    bright = sum(map(int, background[4:-1].split(","))) > 384
    assert bright == (scheme == "light")
    page.locator(".card").first.click()
    page.wait_for_selector("#labels:visible")
    assert page.evaluate("details.scrollWidth") <= PHONE["width"]


def test_every_control_has_a_name(open_page):
    page = open_page("?q=red")
    wait_for(page, "products")
    page.locator(".card").first.click()
    page.wait_for_selector("#labels:visible")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, input, [role=group]')].filter((one) =>
            !(one.textContent.trim() || one.getAttribute('aria-label') || one.labels?.length || one.title)
        ).map((one) => one.outerHTML)"""
    )
    assert nameless == []
    assert page.get_attribute("#status", "aria-live") == "polite"


def test_an_error_is_shown(open_page):
    page = open_page()
    page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"})
    wait_for(page, "cannot be decoded")
    page.route("**/api/search*", lambda route: route.abort())
    page.click("#photo-away")
    page.fill("#words", "red")
    wait_for(page, "does not answer")


def test_the_page_asks_for_the_token(open_page, engine):
    config = ServeConfig(source="shop", token="secret")
    for at in serve_in_thread(create_app(engine, config, name="shop")):
        page = open_page("?q=red", at=at)
        page.fill("#token", "wrong")
        page.keyboard.press("Enter")
        until(page, "document.querySelector('#ask-note').textContent.includes('not accept')")
        page.fill("#token", "secret")
        page.keyboard.press("Enter")
        wait_for(page, "products")
        until(page, "document.querySelectorAll('.tile img.here').length > 3")
        assert page.evaluate("document.querySelector('.tile img').src").startswith("blob:")
        page.context.close()


def test_the_page_of_the_api(browser, address):
    page = browser.new_page()
    page.goto(address + "docs")
    page.click("summary:has-text('Search by a text, a photo, or both')")
    form = page.locator("details[open] form")
    form.locator("[name=text]").fill("red shirt")
    form.locator("[name=photo]").set_input_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": picture()})
    form.locator("text=Send").click()
    page.wait_for_selector("details[open] .answer pre")
    assert '"hits"' in page.inner_text("details[open] .answer pre")
    assert page.inner_text("details[open] pre >> nth=0").startswith("curl -F 'photo=@a.jpg' -F 'text=red shirt'")
    page.close()
