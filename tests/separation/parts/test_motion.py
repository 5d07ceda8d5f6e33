from pathlib import Path

import numpy as np
import torch

from pipeline.separation.parts.ame import MotionNet
from pipeline.separation.parts.motion import MotionFilm, MotionFilms, film_of
from tests.helpers.talkers import talking_clips


def test_tokens_are_cut_by_time_and_those_at_the_ends_stay() -> None:
    """Of a film whose tokens are the seconds of their middles, a window holds its own seconds."""
    film = MotionFilm(((torch.arange(40) + 0.5) / 8)[:, None], 5.0)
    expected = 1.3 + (np.arange(16) + 0.5) / 8
    np.testing.assert_allclose(film.cut(1.3, 2.0)[:, 0], expected, atol=1e-5)
    np.testing.assert_allclose(film.cut(4.5, 1.0)[:, 0], np.minimum(4.5 + (np.arange(8) + 0.5) / 8, 4.9375), atol=1e-5)
    assert film.cut(-1.0, 0.5)[:, 0].tolist() == [0.0625] * 4
    assert MotionFilm(torch.ones(1, 3), 0.1).cut(0.0, 1.0).shape == (10, 3)


def test_a_clip_is_seen_once_and_scaled_tokens_have_mean_0_and_spread_1(tmp_path: Path) -> None:
    clips, net = talking_clips(tmp_path, 2), MotionNet("small").eval()
    films = MotionFilms(clips, net)
    known = clips.of_split("train")
    assert films.of(known[0].clip_id) is films.of(known[0].clip_id)
    alone = film_of(net, clips.whole_film(known[0].clip_id), 8.0)
    torch.testing.assert_close(films.of(known[0].clip_id).tokens, alone.tokens)
    mean, spread = films.scale(known)
    tokens = torch.cat([films.of(clip.clip_id).tokens for clip in known])
    scaled = (tokens - mean) / spread
    alive = tokens.std(dim=0) > 0
    torch.testing.assert_close(scaled[:, alive].std(dim=0, correction=0), torch.ones(int(alive.sum())))
    torch.testing.assert_close(scaled.mean(dim=0), torch.zeros(scaled.shape[1]), atol=1e-4, rtol=0)
