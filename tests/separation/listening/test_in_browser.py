"""The page to listen to in a browser: every player has the sound of its file, and nothing is wider than a phone."""

import pytest
from playwright.sync_api import Error

from pipeline.separation.listening.page import page
from tests.helpers.browser import needs_browser, started_browser
from tests.separation.listening.test_listening import Written, metrics, written

__all__ = ["written"]  # a fixture
LENGTHS = """() => Promise.all([...document.querySelectorAll("audio")].map(player => new Promise((done, fail) => {
  player.addEventListener("loadedmetadata", () => done(player.duration));
  player.addEventListener("error", () => fail(player.src));
  player.preload = "metadata";
  player.load();
})))"""


@pytest.mark.slow
@needs_browser
def test_every_player_finds_its_sound(written: Written) -> None:
    file = written.folder / "report/index.html"
    file.write_text(page("speech", metrics(), {"audio_only": written.examples}), encoding="utf-8")
    problems: list[str] = []
    with started_browser() as browser:
        shown = browser.new_page(viewport={"width": 390, "height": 800})
        shown.on("console", lambda message: problems.append(message.text))
        shown.goto(file.as_uri())
        lengths = shown.evaluate(LENGTHS)
        width = shown.evaluate("document.documentElement.scrollWidth")
        assert problems == []
        with pytest.raises(Error):  # the oracle can fail
            shown.evaluate(LENGTHS.replace("player.load()", "player.src = 'none.wav'; player.load()"))
    assert lengths == pytest.approx([1.0] * 15, abs=0.01)
    assert width <= 390
