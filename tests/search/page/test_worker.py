"""Processes that embed files: the numbers of the encoder itself, and what becomes of those that hang, grow or die."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from pipeline.encoder import Encoder
from pipeline.encoder.config import read_config
from pipeline.errors import ClipError, DataError
from pipeline.search.page.uploads import UploadBounds
from pipeline.search.page.worker import EncoderElsewhere, bounded
from tests.helpers.served import RealPage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@contextmanager
def elsewhere(page: RealPage, **changes: float) -> Iterator[EncoderElsewhere]:
    """One process with the encoder in it."""
    encoder = EncoderElsewhere(page.encoder, UploadBounds()._replace(**changes), 1)
    try:
        yield encoder
    finally:
        encoder.close()


def refusal(encoder: Encoder, clip: Path) -> ClipError:
    with pytest.raises(ClipError) as caught:
        encoder.embed_audio(clip)
    return caught.value


def test_a_process_gives_the_numbers_of_the_encoder_itself_and_a_dead_one_is_replaced(real_page: RealPage) -> None:
    here, clip = Encoder.load(real_page.encoder), real_page.clips[0]
    expected = here.embed(clip)
    with elsewhere(real_page) as encoder:
        for _ in range(2):
            audio, visual = encoder.embed(clip)
            assert audio is not None
            assert visual is not None
            np.testing.assert_allclose(audio, expected.audio, atol=1e-6)
            np.testing.assert_allclose(visual, expected.visual, atol=1e-6)
            (worker,) = workers_here()
            os.kill(worker, signal.SIGKILL)
        waveform = np.sin(np.arange(32000) / 5)
        np.testing.assert_array_equal(encoder.embed_audio(waveform), here.embed_audio(waveform))


def workers_here() -> list[int]:
    """The processes of pools; their parent is the one that they are forked from."""
    server = psutil.Process()
    return [child.pid for fork in server.children() for child in fork.children()]


def test_what_takes_too_long_is_killed_and_the_next_file_is_embedded(real_page: RealPage) -> None:
    with elsewhere(real_page, decode_seconds=0.01) as encoder:
        for _ in range(2):
            error = refusal(encoder, real_page.clips[0])
            assert (error.kind, error.problem) == ("timeout", "not done after 0.01 s")


def test_what_takes_too_much_memory_is_refused(real_page: RealPage) -> None:
    with elsewhere(real_page, memory_gigabytes=1e-3) as encoder:
        assert refusal(encoder, real_page.clips[0]).kind == "out_of_memory"


def test_a_bound_of_the_page_holds_in_the_process(real_page: RealPage) -> None:
    with elsewhere(real_page, seconds=2.0) as encoder:
        error = refusal(encoder, real_page.clips[0])
        assert (error.kind, error.expected) == ("limit", "at most limits.clip_seconds=2")


def test_the_bounds_of_the_run_hold_where_they_are_lower(real_page: RealPage) -> None:
    config = read_config(real_page.encoder)
    strict = config.limits.model_copy(update={"clip_seconds": 1.5})
    assert bounded(strict, UploadBounds()).clip_seconds == 1.5
    limits = bounded(config.limits, UploadBounds())
    assert (limits.clip_seconds, limits.picture_pixels) == (120, 10_000_000)


def test_an_encoder_that_is_replaced_under_the_server_gives_no_numbers(real_page: RealPage, tmp_path: Path) -> None:
    for part in real_page.encoder.iterdir():
        (tmp_path / part.name).symlink_to(part)
    with elsewhere(real_page._replace(encoder=tmp_path)) as encoder:
        encoder.embed_audio(real_page.clips[0])
        config = json.loads((tmp_path / "config.json").read_text())
        config["features"]["epsilon"] *= 2
        (tmp_path / "config.json").unlink()
        (tmp_path / "config.json").write_text(json.dumps(config))
        (worker,) = workers_here()
        os.kill(worker, signal.SIGKILL)
        with pytest.raises(DataError, match="another encoder than at the start; expected the server to be started"):
            encoder.embed_audio(real_page.clips[0])


def test_a_folder_without_an_encoder_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected the folder of an encoder"):
        EncoderElsewhere(tmp_path, UploadBounds(), 1)
