import itertools

import numpy as np
import pytest

from pipeline.dataset.scenes.notes import (
    CONTROL_HZ,
    HIGHEST_HZ,
    LOWEST_HZ,
    TIMBRES,
    Note,
    envelope_of,
    make_music,
    make_tune,
    varied,
)

RATE = 22050


@pytest.mark.parametrize("name", TIMBRES)
def test_a_note_has_the_partials_of_its_timbre(name: str) -> None:
    """Of a long note: each partial stands out of its surroundings in the spectrum, as loud as the timbre says."""
    timbre, note = TIMBRES[name]._replace(half_seconds=1e9, breath=0.0), Note(0.0, 1.0, 300.0, 1.0)
    music = make_music([note], timbre, 1.0, RATE, 0.0, np.random.default_rng(0))[RATE // 4 : RATE // 4 * 3]
    spectrum = np.abs(np.fft.rfft(music * np.hanning(len(music))))
    hz = np.fft.rfftfreq(len(music), 1 / RATE)
    heard = [spectrum[np.abs(hz - 300.0 * ratio) < 8].max() for ratio in timbre.ratios if 300.0 * ratio < HIGHEST_HZ]
    levels = np.array(timbre.levels[: len(heard)])
    np.testing.assert_allclose(np.array(heard) / heard[0], levels / levels[0], rtol=0.12)


def test_all_timbres_have_one_range_of_pitches_and_tunes_fill_it() -> None:
    pitches = [note.pitch_hz for seed in range(40) for note in make_tune(7.0, np.random.default_rng(seed))]
    assert min(pitches) == pytest.approx(LOWEST_HZ)
    assert max(pitches) == pytest.approx(4 * LOWEST_HZ)


def test_notes_follow_one_another_within_the_clip() -> None:
    tune = make_tune(7.0, np.random.default_rng(0))
    assert all(a.start_seconds + a.seconds < b.start_seconds for a, b in itertools.pairwise(tune))
    assert tune[-1].start_seconds + tune[-1].seconds <= 7.0


def test_the_envelope_is_how_loud_the_sound_is() -> None:
    tune, timbre = make_tune(7.0, np.random.default_rng(1)), TIMBRES["flute"]
    music = make_music(tune, timbre, 7.0, RATE, 0.0, np.random.default_rng(2))
    loudness = np.sqrt(np.square(music.reshape(70, -1)).mean(axis=1))
    envelope = envelope_of(tune, timbre, 7.0).reshape(70, CONTROL_HZ // 10).mean(axis=1)
    assert np.corrcoef(loudness, envelope)[0, 1] > 0.95
    assert (envelope.min(), envelope.max() <= 1) == (0, True)


def test_instruments_of_a_kind_differ_by_the_amount_that_is_asked_for() -> None:
    timbre = TIMBRES["organ"]
    assert varied(timbre, 0.0, np.random.default_rng(0)) == timbre
    logs = [np.log(np.array(varied(timbre, 0.3, np.random.default_rng(k)).levels) / timbre.levels) for k in range(200)]
    assert np.std(logs) == pytest.approx(0.3, rel=0.1)
