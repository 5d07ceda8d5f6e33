"""The page in a real browser: a person's ways through it, on real clips."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from pipeline.encoder import Encoder
from pipeline.search.index import Index
from tests.helpers.browser import needs_browser, started_browser
from tests.helpers.served import N_CLIPS, START, RealPage, Served, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), needs_browser]
PATIENCE_MILLISECONDS = 120_000
FLAGS = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]  # it beeps
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}


@pytest.fixture(scope="module")
def served(real_page: RealPage) -> Iterator[Served]:
    with serving(real_page.folder, real_page.index, real_page.encoder) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started_browser(*FLAGS) as started:
        yield started


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    yield from opened(browser, served.address)


def opened(browser: Browser, address: str, **context: Any) -> Iterator[Page]:  # noqa: ANN401 - Playwright's options
    """The page with its archive on it; what its console complains of fails the test."""
    page = browser.new_context(**context).new_page()
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    complaints: list[str] = []
    requested: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requested.append(request.url))
    page.goto(address)
    expect(page.locator("#archive .card").first).to_be_visible()
    yield page
    assert [text for text in complaints if "Failed to load resource" not in text] == []
    assert [url for url in requested if not url.startswith((address, "blob:", "data:"))] == []
    page.context.close()


def results(page: Page) -> list[str]:
    """The names of the results, once they are there."""
    expect(page.locator("#status")).to_contain_text("of 6 rows")
    return page.locator("#results .card .name").all_inner_texts()


def ask(page: Page, clip: str, button: str) -> None:
    card_of(page.locator("#archive"), clip).get_by_role("button", name=button).click()


def card_of(part: Locator, clip: str) -> Locator:
    return part.locator(".card", has=part.page.get_by_text(clip, exact=True))


def test_a_clip_of_the_archive_finds_clips_that_are_marked_right_or_wrong(page: Page) -> None:
    ask(page, "0.mp4", "Its sound finds videos")
    assert sorted(results(page)) == [f"{number}.mp4" for number in range(N_CLIPS)]
    expect(page.locator("#asked")).to_contain_text("0.mp4 (its sound finds videos)")
    marks = {
        card.locator(".name").inner_text(): (card.locator(".mark").inner_text(), card.get_attribute("class"))
        for card in page.locator("#results .card").all()
    }
    assert marks["0.mp4"] == ("● the query itself", "card is-query")
    assert marks["2.mp4"] == ("✓ right", "card is-right")
    assert marks["1.mp4"] == ("✗ wrong", "card is-wrong")
    expect(page.locator("#status")).to_contain_text("2 of 5 are right")
    scores = [float(text) for text in page.locator("#results .score").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)


def test_more_like_this_goes_on_from_any_result_in_either_direction(page: Page) -> None:
    ask(page, "0.mp4", "Its sound finds videos")
    results(page)
    card_of(page.locator("#results"), "3.mp4").get_by_role("button", name="Its pictures find sounds").click()
    expect(page.locator("#asked")).to_contain_text("3.mp4 (its pictures find sounds)")
    expect(card_of(page.locator("#results"), "1.mp4")).to_have_class("card is-right")


def test_a_player_starts_at_the_second_of_its_row_and_stops_the_others(page: Page) -> None:
    players = page.locator("#archive video")
    last = card_of(page.locator("#archive"), "5.mp4").locator("video")
    expect(last).to_have_js_property("currentTime", START)
    assert last.get_attribute("src") == "/media?id=5.mp4#t=1.5,3"
    for number in (0, N_CLIPS - 1):
        players.nth(number).evaluate("player => player.play()")
    expect(players.nth(0)).to_have_js_property("paused", True)
    expect(last).to_have_js_property("error", None)
    assert last.evaluate("player => [player.videoWidth, player.videoHeight]") == [128, 96]


def test_a_file_that_is_chosen_or_dropped_is_heard_and_looked_at(page: Page, real_page: RealPage) -> None:
    page.get_by_label("Find").select_option("videos, by their pictures")
    page.locator("#file").set_input_files(real_page.clips[2])
    assert len(results(page)) == N_CLIPS
    expect(page.locator("#asked .name")).to_have_text("2.mp4")
    assert page.locator("#results .is-right, #results .is-wrong").count() == 0  # nobody knows what it is
    drop(page, "dropped.mp4", real_page.clips[3].read_bytes())
    expect(page.locator("#asked .name")).to_have_text("dropped.mp4")
    expect(page.locator("#status")).to_contain_text("6 results")


def drop(page: Page, name: str, content: bytes) -> None:
    """What a browser tells a page on which a file is dropped."""
    script = """([name, bytes]) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], name, {type: "video/mp4"}));
        document.getElementById("drop").dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
    }"""
    page.evaluate(script, [name, list(content)])


def test_a_sound_from_the_microphone_finds_videos(page: Page) -> None:
    button = page.get_by_role("button", name="Record a sound")
    button.click()
    expect(page.locator("#record")).to_have_attribute("aria-pressed", "true")
    page.wait_for_timeout(2500)
    page.locator("#record").click()
    assert len(results(page)) == N_CLIPS
    expect(page.locator("#asked .name")).to_have_text("your recording")
    expect(button).to_have_attribute("aria-pressed", "false")


def test_what_cannot_be_read_or_is_too_large_is_said_on_the_page(page: Page, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no media")
    page.locator("#file").set_input_files(tmp_path / "a.mp4")
    alert = page.get_by_role("alert")
    expect(alert).to_have_text("no format that FFmpeg knows; expected a media file")
    with (tmp_path / "large.wav").open("wb") as file:
        file.truncate(64_000_001)
    page.locator("#file").set_input_files(tmp_path / "large.wav")
    expect(alert).to_have_text("large.wav: 64.0 MB; expected at most 64 MB")
    ask(page, "0.mp4", "Its sound finds videos")
    expect(alert).to_be_hidden()


def test_filters_apply_to_results_and_archive_and_a_wrong_one_is_explained(page: Page) -> None:
    ask(page, "0.mp4", "Its sound finds videos")
    results(page)
    page.get_by_label("Label").select_option("Cat")
    expect(page.locator("#results .card")).to_have_count(3)
    expect(page.locator("#listed")).to_have_text("1 to 3 of 3 clips")
    condition = page.get_by_label("Condition")
    condition.fill("clip_id = '1.mp4'")
    condition.press("Enter")
    expect(page.locator("#results .card")).to_have_count(1)
    condition.fill("clip_id = ")
    condition.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("expected SQL such as")


def test_the_keyboard_reaches_everything(page: Page) -> None:
    order = []
    for _ in range(4):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.textContent.trim()"))
    assert order[:3] == ["Skip to the results", "Choose a file", "Record a sound"]
    page.keyboard.press("/")
    expect(page.locator("#text")).to_be_focused()
    page.keyboard.type("mp4/")
    expect(page.locator("#text")).to_have_value("mp4/")
    expect(page.locator("#listed")).to_have_text("no clip passes")
    page.locator("#text").fill("")
    expect(page.locator("#archive .card")).to_have_count(N_CLIPS)
    page.locator("#archive .card").first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#archive .card").nth(1)).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.press("Home")
    expect(page.locator("#archive .card").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#archive video").first).to_have_js_property("paused", False)
    page.keyboard.press("s")
    expect(page.locator("#asked")).to_contain_text("0.mp4 (its sound finds videos)")
    results(page)
    page.locator("#results .card").first.focus()
    page.keyboard.press("p")
    expect(page.locator("#asked")).to_contain_text("(its pictures find sounds)")


def test_a_file_that_is_deleted_under_the_server_is_said_on_its_card(
    browser: Browser, served: Served, real_page: RealPage
) -> None:
    clip = real_page.clips[1]
    content = clip.read_bytes()
    clip.unlink()
    try:
        for page in opened(browser, served.address):
            screen = card_of(page.locator("#archive"), "1.mp4").locator(".screen")
            screen.scroll_into_view_if_needed()
            expect(screen).to_have_text("the clip's file is gone; expected it where it was indexed")
            ask(page, "1.mp4", "Its sound finds videos")
            assert len(results(page)) == N_CLIPS
            expect(card_of(page.locator("#archive"), "2.mp4").locator("video")).to_have_count(1)
    finally:
        clip.write_bytes(content)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_the_screen_in_either_scheme(
    browser: Browser, served: Served, scheme: str
) -> None:
    for page in opened(browser, served.address, color_scheme=scheme, **PHONE):
        ask(page, "0.mp4", "Its sound finds videos")
        results(page)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        colours = page.evaluate(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
        )
        paper, ink = (sum(map(int, re.findall(r"\d+", colour))) for colour in colours)
        assert (paper > ink) == (scheme == "light")
        low = [box for box in map(Locator.bounding_box, page.locator("button:visible").all()) if box["height"] < 44]
        assert low == []  # what a finger hits


def test_hostile_names_are_text(browser: Browser, encoder: Encoder, index: Index, tmp_path: Path) -> None:
    with serving(tmp_path, Path(index.folder), encoder.folder) as server:
        for page in opened(browser, server.address):
            name = "<script>document.title='owned'</script>\\x1b[31m\\u202egpj.mp4"
            card = card_of(page.locator("#archive"), name)
            card.get_by_role("button", name="Its sound finds videos").click()
            expect(page.locator("#asked")).to_contain_text(name)
            expect(page.locator("#status")).to_contain_text("of 5 rows")
            expect(page).to_have_title("Sound and video search")
            assert page.locator("main script").count() == 0
            assert page.locator(".label b").count() == 0


def test_a_browser_is_let_in_with_the_token(browser: Browser, encoder: Encoder, index: Index, tmp_path: Path) -> None:
    token = "correct-horse-battery"
    with serving(tmp_path, Path(index.folder), encoder.folder, AVR_TOKEN=token) as server:
        page = browser.new_context().new_page()
        page.goto(server.address)
        page.get_by_label("Token of this server").fill("a wrong one, of a length")
        page.get_by_role("button", name="Enter").click()
        expect(page.get_by_role("alert")).to_have_text("That is not the token.")
        page.get_by_label("Token of this server").fill(token)
        page.keyboard.press("Enter")
        expect(page.locator("#archive .card")).to_have_count(5)
        page.context.close()
