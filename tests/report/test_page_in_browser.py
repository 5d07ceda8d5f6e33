"""The page in Debian's chromium: it fits phone and desktop, sorts, plays, is worked with keys, and asks for nothing."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from pipeline.formats.clips import Clip, write_root
from pipeline.video import write_mp4
from tests.helpers.browser import needs_browser, started_browser
from tests.helpers.report_run import Run

pytestmark = [pytest.mark.slow, needs_browser]
LONG = "a class with a very long name " * 6 + "andawordthatnobreaksayswhereitmayend" * 3


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page about thirty clips, all but one of which can be played."""
    folder = tmp_path_factory.mktemp("browser")
    videos = folder / "films"
    videos.mkdir()
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 32000).astype(np.float32)
    classes = ("cat", "dog <b>", LONG)
    clips = []
    for number in range(30):
        name = f"clip #{number}?.mp4"
        write_mp4(videos / name, [np.full((48, 64, 3), 8 * number, np.uint8)] * 20, 10, sound, 16000)
        clips.append(Clip(clip_id=name, path=name, label=classes[number // 10], split="test"))
    write_root(folder / "clips.csv", videos)
    run = Run(folder, {"main": 1.0, "better": 0.5, "noise": 50.0}, classes, clips=clips)
    return run.folder / "report" / "index.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with started_browser() as opened:
        yield opened


class Tab:
    """A page that is open, what it said on its console, and what it asked for."""

    def __init__(self, browser: Browser, file: Path, width: int = 1280, scheme: str = "light") -> None:
        self.tab = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.tab.on("console", lambda message: self.said.append(message.text))
        self.tab.on("pageerror", lambda error: self.said.append(str(error)))
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.goto(file.as_uri())


def plays(tab: Page, player: str) -> bool:
    """Whether a player of that kind comes to play, within half a minute."""
    for _ in range(300):  # the page's policy allows no function that waits
        if tab.evaluate(f"document.querySelector('{player}.player')?.currentTime > 0.1"):
            return True
        tab.wait_for_timeout(100)
    return False


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_screen_or_asks_for_anything(
    browser: Browser, page_file: Path, width: int, scheme: str
) -> None:
    opened = Tab(browser, page_file, width, scheme)
    opened.tab.evaluate("document.querySelectorAll('details').forEach(of => { of.open = true; })")
    assert opened.tab.evaluate("document.scrollingElement.scrollWidth") == width
    assert [url for url in opened.asked if not url.startswith("data:")] == [page_file.as_uri()]
    assert opened.said == []


def test_words_can_be_read_on_either_ground(browser: Browser, page_file: Path) -> None:
    """Contrast of text and ground of at least 4.5, as WCAG 2.1 asks for."""
    luminance = """colour => { const of = colour.match(/[\\d.]+/g).slice(0, 3).map(v => {
        v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
        return 0.2126 * of[0] + 0.7152 * of[1] + 0.0722 * of[2]; }"""
    for scheme in ("light", "dark"):
        opened = Tab(browser, page_file, scheme=scheme)
        ground = opened.tab.evaluate(f"({luminance})(getComputedStyle(document.body).backgroundColor)")
        for selector in ("p", ".mark", ".wrong .mark", ".id", "caption", "nav a", "dd .where"):
            place = f"getComputedStyle(document.querySelector({selector!r})).color"
            ink = opened.tab.evaluate(f"({luminance})({place})")
            lighter, darker = max(ink, ground), min(ink, ground)
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (scheme, selector)


def test_a_head_sorts_its_table_with_the_keyboard(browser: Browser, page_file: Path) -> None:
    tab = Tab(browser, page_file).tab

    def names() -> list[str]:
        return [str(text) for text in tab.locator("table.models tbody th").all_inner_texts()]

    assert names() == ["better", "main", "noise"]
    button = tab.get_by_role("button", name="Sort by MAP, sound to video")
    button.focus()
    tab.keyboard.press("Enter")
    numbers = [float(text) for text in tab.locator("table.models tbody td:nth-child(2)").all_inner_texts()]
    assert numbers == sorted(numbers, reverse=True)
    assert tab.locator("table.models [aria-sort]").get_attribute("aria-sort") == "descending"
    tab.keyboard.press("Enter")
    assert names()[0] == "noise"
    tab.get_by_role("button", name="Sort by model").click()
    assert names() == ["better", "main", "noise"]
    tab.get_by_role("button", name="Sort by MAP against main").click()
    assert names() == ["better", "main", "noise"]  # ahead, the first one, behind


def test_a_thumbnail_plays_its_clip_and_escape_brings_it_back(browser: Browser, page_file: Path) -> None:
    opened = Tab(browser, page_file)
    tab = opened.tab
    tab.locator("a.thumb.video:visible").first.focus()
    tab.keyboard.press("Enter")
    assert plays(tab, "video")
    assert tab.evaluate("document.querySelector('video.player').videoWidth") == 64
    tab.keyboard.press("Escape")
    assert tab.locator(".player").count() == 0
    assert "thumb" in tab.evaluate("document.activeElement.className")
    tab.locator("a.thumb.sound:visible").first.click()
    assert plays(tab, "audio")
    assert opened.said == []


def test_a_clip_that_is_gone_is_said_to_be(browser: Browser, page_file: Path, tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    copy = tmp_path / "report" / "index.html"
    copy.write_text(page_file.read_text())
    tab = Tab(browser, copy).tab
    tab.locator("a.thumb.video:visible").first.click()
    tab.get_by_text("This browser cannot reach or play the clip.").wait_for()
    assert tab.locator(".player").count() == 0
    assert tab.locator("a.thumb.video:visible").first.is_visible()


def test_without_a_script_the_page_says_as_much(browser: Browser, page_file: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(page_file.as_uri())
    assert tab.locator(".sort").count() == 0
    assert tab.locator("a.thumb").first.get_attribute("href").startswith("../videos/clip%20%23")
    context.close()


def test_a_mark_of_the_map_says_its_name(browser: Browser, page_file: Path) -> None:
    tab = Tab(browser, page_file, 390).tab
    tab.locator(".map circle").first.scroll_into_view_if_needed()
    tab.locator(".map circle").first.dispatch_event("click")
    assert tab.locator("#named").inner_text() == "cat: clip #0?.mp4 (sound)"
