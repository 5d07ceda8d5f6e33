from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from pipeline.formats.shards import write_shards
from pipeline.separation.heard import Facts, HeardClips
from pipeline.separation.parts.ame import Ame, MotionNet, ShiftedBatch, WaveNet, compressed, draw_shifted
from pipeline.separation.parts.trunks import count_weights

RATE, FPS, SECONDS = 800, 8, 4
FACTS = Facts(RATE, frames_fps=FPS, frames_size=2)
LENGTH = 800


def clips_in(folder: Path, seconds: float = SECONDS) -> HeardClips:
    """Clips whose sound counts its samples, and whose frames count themselves, both from a number of their own."""
    clips = [Clip(clip_id=f"{k}.mp4", path="", label="a", split="train") for k in range(3)]
    n_samples, n_frames = round(seconds * RATE), round(seconds * FPS)

    def sound(name: str) -> dict[str, np.ndarray]:
        return {"sound": np.arange(n_samples, dtype=np.int16) + 5000 * int(name[0]), "n_clipped": np.zeros(1, np.int64)}

    def film(name: str) -> dict[str, np.ndarray]:
        counted = np.arange(n_frames, dtype=np.uint8) + 50 * int(name[0])
        frames = np.broadcast_to(counted[:, None, None, None], (n_frames, 2, 2, 3))
        return {"frames": np.ascontiguousarray(frames), "frames_seconds": np.zeros(1)}

    names = [clip.clip_id for clip in clips]
    write_shards(folder / "sounds", names, sound)
    write_shards(folder / "views", names, film)
    return HeardClips(clips, folder / "sounds", folder / "views", FACTS)


def random_batch() -> ShiftedBatch:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (4, 8, 16, 16, 3), dtype=np.uint8)
    aligned, shifted = rng.normal(0, 0.1, (2, 4, 4000)).astype(np.float32)
    return ShiftedBatch(frames, aligned, shifted)


def test_published_networks_have_the_published_sizes() -> None:
    with torch.no_grad(), torch.device("meta"):  # shapes without numbers
        assert abs(count_weights(MotionNet("published")) / 33.2e6 - 1) < 0.01
        assert abs(count_weights(WaveNet("published")) / 5.35e6 - 1) < 0.01
        sound = WaveNet("published").eval()
        assert sound.layers(torch.zeros(1, 1, 65535)).shape == (1, 256, 64)
        assert sound(torch.zeros(1, 65535), 12).shape == (1, 12)


def test_a_film_has_a_number_a_time_which_is_the_mean_of_its_activations() -> None:
    net, films = MotionNet("small").eval(), torch.randn(2, 3, 6, 16, 16)
    activations = net.activations(films)
    assert activations.shape == (2, 6, 4, 4)
    torch.testing.assert_close(net(films), activations.mean(dim=(2, 3)))
    torch.testing.assert_close(net.tokens(films) @ net.activation.weight[0, :, 0, 0, 0], net(films))


def test_quiet_parts_are_raised_without_a_step_at_silence() -> None:
    sounds = torch.tensor([-0.5, -1e-6, 0.0, 1e-6, 0.5])
    expected = [np.sign(x) * np.log(1 + 255 * abs(x)) / np.log(256) for x in sounds.tolist()]
    np.testing.assert_allclose(compressed(sounds), expected, rtol=1e-5)


def test_the_aligned_sound_is_that_of_the_film_and_the_shifted_one_is_as_far_away_as_asked_for(tmp_path: Path) -> None:
    clips = clips_in(tmp_path)
    known = clips.of_split("train")
    batch = draw_shifted(clips, known, 60, LENGTH, (0.5, 1.5), np.random.default_rng(0))
    assert (batch.frames.shape, batch.aligned.shape) == ((60, 8, 2, 2, 3), (60, LENGTH))
    counted = batch.frames[:, 0, 0, 0, 0].astype(int)
    first, number = counted % 50, counted // 50
    aligned, shifted = (np.rint(sounds[:, 0] * 32768) - 5000 * number for sounds in batch[1:])
    np.testing.assert_array_equal(aligned, first * (RATE // FPS))
    away = np.abs(shifted - aligned) / RATE
    assert (away.min(), away.max()) == (0.5, 1.5)
    assert set(number.tolist()) == {0, 1, 2}
    assert {-1, 1} == set(np.sign(shifted - aligned).tolist())


def test_a_clip_in_which_nothing_can_be_shifted_is_named(tmp_path: Path) -> None:
    clips = clips_in(tmp_path, 1.25)
    message = "mp4': 2 frames to shift within, 8 needed; expected longer clips, or a smaller ame_shift_seconds"
    with pytest.raises(DataError, match=message):
        draw_shifted(clips, clips.of_split("train"), 4, LENGTH, (1.0, 2.0), np.random.default_rng(0))


def test_the_loss_is_that_of_triplets_and_reaches_both_networks() -> None:
    ame, batch = Ame("small").eval(), random_batch()
    loss = ame.loss(batch, 2.0)
    near, far = ame.distances(batch.aligned, batch.frames), ame.distances(batch.shifted, batch.frames)
    assert loss.item() == pytest.approx(np.mean([max(0.0, a - b + 2.0) for a, b in zip(near, far, strict=True)]), 1e-4)
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    assert all(weights.grad is not None for weights in ame.parameters())


def test_heat_is_where_activations_change_as_the_sound_does() -> None:
    ame, batch = Ame("small").eval(), random_batch()
    heat = ame.heat(batch.aligned[0], batch.frames[0])
    with torch.no_grad():
        films = torch.from_numpy(batch.frames[:1]).permute(0, 4, 1, 2, 3)
        mean, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        scaled = (films / 255 - mean[:, None, None, None]) / spread[:, None, None, None]
        seen = ame.motion.activations(scaled)[0].numpy()
        heard = ame.sound(torch.from_numpy(batch.aligned[:1]), 8)[0].numpy()
    assert heat.shape == (8, 4, 4)
    for k in range(8):
        together = (seen[k] - seen.mean(axis=0)) * (heard[k] - heard.mean())
        np.testing.assert_allclose(heat[k], np.maximum(together, 0), atol=1e-6)
    assert (ame.heat(np.zeros(4000, np.float32), batch.frames[0]) == 0).all()
