"""One track of a video, chosen in a real browser: by a box that is drawn, and without a pointer."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.helpers.browser import needs_browser, started_browser
from tests.helpers.one_track import LEFT
from tests.helpers.served import Served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), needs_browser]
PATIENCE_MILLISECONDS = 300_000
DURATION = """player => player.duration || new Promise((done) => {
    player.ondurationchange = () => done(player.duration);
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started_browser() as started:
        yield started


@pytest.fixture
def page(browser: Browser, track_server: Served, duet_project: Path) -> Iterator[Page]:
    """The page on which the film was dropped and answered; what its console complains of fails the test."""
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(track_server.address)
    page.locator("#file").set_input_files(duet_project / "duet.mp4")
    expect(page.locator("#status")).to_contain_text("6 results of 6 rows")
    yield page
    assert [text for text in complaints if "Failed to load resource" not in text] == []
    page.context.close()


def asked_track(page: Page) -> str:
    """The box that the page asks for with its button."""
    with page.expect_request("**/api/search?*") as asked:
        page.get_by_role("button", name="Ask").click()
    return parse_qs(urlsplit(asked.value.url).query).get("track", [""])[0]


def test_without_a_pointer_a_half_is_chosen_and_its_sound_is_played(page: Page) -> None:
    page.get_by_label("This track only").select_option("the left half")
    assert asked_track(page) == LEFT
    expect(page.locator("#status")).to_contain_text("By the sound of this track alone: 6 results")
    player = page.get_by_label("the sound of this track alone")
    expect(player).to_be_visible()
    assert player.evaluate(DURATION) == pytest.approx(3, abs=0.3)
    page.get_by_label("This track only").select_option("no, the whole video")
    assert asked_track(page) == ""
    expect(page.locator("#status")).to_contain_text("6 results of 6 rows")
    expect(page.locator("#status")).not_to_contain_text("this track alone")
    expect(player).to_have_count(0)


def test_a_box_is_drawn_over_the_picture_and_not_over_the_bars_around_it(page: Page) -> None:
    page.get_by_label("This track only").select_option("a box that I draw")
    button = page.get_by_role("button", name="Ask")
    expect(button).to_be_disabled()
    glass = page.locator(".glass")
    glass.scroll_into_view_if_needed()
    area, player = glass.bounding_box(), page.locator("#query video").bounding_box()
    assert area is not None
    assert player is not None
    assert area["width"] / area["height"] == pytest.approx(2, abs=0.01)  # as the film
    assert area["height"] == pytest.approx(min(player["height"], player["width"] / 2), abs=1)
    page.mouse.move(area["x"] + 0.5 * area["width"], area["y"] + 0.25 * area["height"])
    page.mouse.down()
    page.mouse.move(area["x"] + 0.9 * area["width"], area["y"] + 0.5 * area["height"], steps=3)
    page.mouse.move(area["x"] + area["width"] + 50, area["y"] + 0.75 * area["height"], steps=3)
    page.mouse.up()
    drawn = [float(number) for number in asked_track(page).split(",")]
    assert drawn == pytest.approx([0.5, 0.25, 1, 0.75], abs=0.02)
    expect(page.locator("#status")).to_contain_text("By the sound of this track alone: 6 results")


def test_a_sound_has_no_control(page: Page, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"no sound")
    page.locator("#file").set_input_files(tmp_path / "a.wav")
    expect(page.get_by_role("alert")).to_contain_text("no format that FFmpeg knows")
    expect(page.get_by_label("This track only")).to_have_count(0)
