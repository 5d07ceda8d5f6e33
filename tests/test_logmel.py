import tracemalloc
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.errors import ClipError, DataError, ParamsError
from pipeline.logmel import (
    LogMelParams,
    log_mel_examples,
    log_mel_spectrogram,
    mel_matrix,
    streamed_arrays,
)
from pipeline.settings.params import load_params

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT.parent / "shared" / "golden" / "vggish_logmel_golden.npz"
PARAMS = load_params("logmel", LogMelParams, ROOT / "params.yaml")


def with_changes(**changes: Any) -> LogMelParams:  # noqa: ANN401 - values of any field
    return LogMelParams(**{**PARAMS.model_dump(), **changes})


def sounds() -> dict[str, NDArray[np.float32]]:
    rng, seconds = np.random.default_rng(0), np.arange(40_000) / 16_000
    return {
        "noise": rng.uniform(-1, 1, 40_000).astype(np.float32),
        "tone": np.sin(2 * np.pi * 440 * seconds).astype(np.float32),
        "silence": np.zeros(40_000, np.float32),
        "sweep": np.sin(2 * np.pi * 1500 * seconds**2).astype(np.float32),
    }


@pytest.mark.skipif(not GOLDEN.exists(), reason="the golden arrays are not part of the project")
@pytest.mark.parametrize("name", ["sine", "noise", "real"])
def test_examples_are_those_of_audioset_s_own_code(name: str) -> None:
    golden = np.load(GOLDEN)
    examples = log_mel_examples(golden[f"{name}_waveform"], PARAMS)
    np.testing.assert_allclose(examples, golden[f"{name}_logmel"], atol=1e-6)


@pytest.mark.parametrize("name", sounds())
def test_a_spectrogram_is_librosa_s_with_its_window_moved_and_the_mel_matrix_replaced(name: str) -> None:
    waveform = sounds()[name]
    shifted = np.pad(waveform.astype(np.float64), 56)  # librosa centres the 400 samples in its 512
    stft = np.abs(librosa.stft(shifted, n_fft=512, hop_length=160, win_length=400, window="hann", center=False))
    expected = np.log(stft.T @ naive_mel_matrix() + 0.01)
    spectrogram = log_mel_spectrogram(waveform, PARAMS)
    np.testing.assert_allclose(spectrogram, expected[: len(spectrogram)], atol=1e-6)


def naive_mel_matrix() -> NDArray[np.float64]:
    """One triangle after the other, by its three corners on the mel scale."""

    def mel(hz: float) -> float:
        return 2595 * np.log10(1 + hz / 700) * (1127 * np.log(10) / 2595)

    corners = [mel(125) + (mel(7500) - mel(125)) * i / 65 for i in range(66)]
    matrix = np.zeros((257, 64))
    for band in range(64):
        left, middle, right = corners[band : band + 3]
        for k in range(1, 257):
            matrix[k, band] = np.interp(mel(k * 16_000 / 512), [left, middle, right], [0, 1, 0], left=0, right=0)
    return matrix


def test_mel_weights_are_triangles_straight_in_mel() -> None:
    np.testing.assert_allclose(mel_matrix(PARAMS), naive_mel_matrix(), atol=1e-9)


@pytest.mark.parametrize(("window_length", "n_fft"), [(2, 2), (256, 256), (257, 512), (512, 512), (513, 1024)])
def test_the_fft_is_the_shortest_power_of_two_that_holds_the_window(window_length: int, n_fft: int) -> None:
    params = with_changes(window_seconds=window_length / 16_000)
    assert mel_matrix(params).shape == (n_fft // 2 + 1, 64)


def test_mel_weights_are_none_at_0_hz_also_where_the_lowest_band_starts_there() -> None:
    weights = mel_matrix(with_changes(fmin_hz=0.0))
    assert weights[0].tolist() == [0.0] * 64
    assert (weights >= 0).all()


def test_mel_weights_are_not_librosa_s_which_are_straight_in_hertz() -> None:
    other = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=64, fmin=125, fmax=7500, htk=True, norm=None).T
    assert 1e-3 < np.abs(mel_matrix(PARAMS) - other).max() < 1e-2  # 4.4e-3 is known


@pytest.mark.parametrize(
    ("n_samples", "n_examples"), [(0, 0), (399, 0), (15_599, 0), (15_600, 1), (160_000, 10), (30_959, 1), (30_960, 2)]
)
def test_the_number_of_examples_follows_from_the_number_of_samples(n_samples: int, n_examples: int) -> None:
    assert log_mel_examples(np.zeros(n_samples, np.float32), PARAMS).shape == (n_examples, 96, 64)


@pytest.mark.parametrize(("n_samples", "n_frames"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2)])
def test_a_frame_has_a_whole_window(n_samples: int, n_frames: int) -> None:
    assert log_mel_spectrogram(np.zeros(n_samples, np.float32), PARAMS).shape == (n_frames, 64)


def test_silence_is_the_logarithm_of_the_offset() -> None:
    np.testing.assert_allclose(log_mel_examples(np.zeros(16_000, np.float32), PARAMS), np.log(0.01), rtol=1e-6)


def test_an_example_a_second_starts_at_every_whole_second() -> None:
    waveform = sounds()["sweep"]
    arrays = streamed_arrays("clip", [(0.0, waveform)], with_changes(example_hop_seconds=1.0))
    assert arrays["seconds"].tolist() == [0.0, 1.0]
    np.testing.assert_array_equal(arrays["examples"][1], log_mel_examples(waveform[16_000:], PARAMS)[0])


def test_a_long_sound_is_the_same_in_blocks() -> None:
    waveform = np.random.default_rng(0).uniform(-1, 1, 160 * 9000).astype(np.float32)
    whole, tail = log_mel_spectrogram(waveform, PARAMS), log_mel_spectrogram(waveform[160 * 8000 :], PARAMS)
    np.testing.assert_array_equal(whole[8000:], tail)


@settings(max_examples=5, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 1_050_000), max_size=6), st.sampled_from([0.48, 0.96, 1.5]))
def test_blocks_of_any_length_give_the_examples_of_the_whole(cuts: list[int], hop_seconds: float) -> None:
    params = with_changes(example_hop_seconds=hop_seconds)
    waveform = np.random.default_rng(0).uniform(-1, 1, 1_050_000).astype(np.float32)
    blocks = np.split(waveform, sorted(cuts))
    arrays = streamed_arrays("clip", ((0.25, block) for block in blocks), params)
    np.testing.assert_array_equal(arrays["examples"], log_mel_examples(waveform, params))
    np.testing.assert_allclose(arrays["seconds"], 0.25 + hop_seconds * np.arange(len(arrays["examples"])))


def test_a_stream_starts_when_its_first_samples_do() -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, 16_000).astype(np.float32)
    blocks = [(0.125, noise[:0]), (0.25, noise), (1.25, noise), (2.25, noise[:0])]
    assert streamed_arrays("clip", blocks, PARAMS)["seconds"].tolist() == [0.25, 0.25 + 0.96]


def test_the_examples_of_a_stream_are_never_in_memory_twice() -> None:
    params = with_changes(example_hop_seconds=0.01)  # as many examples in half a minute as usually in most of an hour
    noise = np.random.default_rng(0).uniform(-1, 1, 16_000).astype(np.float32)
    tracemalloc.start()
    arrays = streamed_arrays("clip", ((float(second), noise) for second in range(30)), params)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert arrays["examples"].nbytes > 70e6
    assert peak < 1.5 * arrays["examples"].nbytes


def test_a_sound_without_an_example_is_refused() -> None:
    with pytest.raises(ClipError, match=r"clip 'short': 0.500 s of audio; expected at least one example of 0.975 s"):
        streamed_arrays("short", [(0.0, np.zeros(8000, np.float32))], PARAMS)


def test_two_channels_are_refused() -> None:
    with pytest.raises(DataError, match=r"waveform has shape \(2, 16000\); expected \(n_samples,\)"):
        log_mel_examples(np.zeros((2, 16_000), np.float32), PARAMS)


@pytest.mark.parametrize(
    "changes", [{"fmax_hz": 8000.0}, {"window_seconds": 0.000125}, {"fmin_hz": 0.0}, {"hop_seconds": 0.0000625}]
)
def test_params_at_the_edge_of_what_is_possible_are_taken(changes: dict[str, float]) -> None:
    assert len(log_mel_spectrogram(np.zeros(800, np.float32), with_changes(**changes))) > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fmax_hz": 9000.0}, r"expected fmin_hz < fmax_hz <= 8000.0 \(half of sample_rate\)"),
        ({"fmin_hz": 7500.0}, r"fmin_hz=7500.0, fmax_hz=7500.0; expected fmin_hz < fmax_hz"),
        ({"window_seconds": 0.00006}, r"window_seconds=6e-05; expected at least 0.000125, two samples"),
        ({"hop_seconds": 0.01001}, r"hop_seconds=0.01001; expected a whole number of samples"),
        ({"hop_seconds": 1e-12}, r"hop_seconds=1e-12; expected a whole number of samples"),
        ({"example_hop_seconds": 0.965}, r"example_hop_seconds=0.965; expected a multiple of hop_seconds=0.01"),
    ],
)
def test_params_that_no_spectrogram_can_have_are_refused(
    tmp_path: Path, changes: dict[str, float], message: str
) -> None:
    (tmp_path / "params.yaml").write_text(f"logmel: { {**PARAMS.model_dump(), **changes} }")
    with pytest.raises(ParamsError, match=message):
        load_params("logmel", LogMelParams, tmp_path / "params.yaml")
