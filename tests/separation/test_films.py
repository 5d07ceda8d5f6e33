import numpy as np

from pipeline.separation.films import BLANK, hidden_at_times, listening, with_dropout

N = 400
FILM = np.arange(N, dtype=np.int64)[:, None, None] % 100 * np.ones((1, 2, 2), np.int64)
FILM = FILM.astype(np.uint8)  # a picture is as bright as its number says, below the brightness of what is hidden


def test_about_half_of_a_film_is_hidden_grey_or_held_in_runs_of_5_to_20_pictures() -> None:
    shares = []
    for seed in range(20):
        hidden = hidden_at_times(FILM, np.random.default_rng(seed))[:, 0, 0]
        changed = hidden != FILM[:, 0, 0]
        edges = np.flatnonzero(np.diff(np.r_[False, changed, False].astype(int))).reshape(-1, 2)
        for start, stop in edges[1:-1]:
            assert 5 <= stop - start <= 20
            assert set(hidden[start:stop]) in ({BLANK}, {FILM[start - 1, 0, 0]})
        shares.append(changed.mean())
    assert 0.4 < np.mean(shares) < 0.6


def test_one_who_listens_goes_to_and_fro_through_the_quietest_moment() -> None:
    sound = np.ones(N * 10)
    sound[2000:2050] = 0  # pictures 200 to 204
    quiet = listening(FILM, sound)
    assert quiet[:10, 0, 0].tolist() == [0, 1, 2, 3, 4, 3, 2, 1, 0, 1]
    assert quiet.shape == FILM.shape
    assert listening(FILM[:2], sound)[:, 0, 0].tolist() == [0, 1]


def test_some_films_are_hidden_at_times_half_as_many_held_still_and_as_many_grey() -> None:
    films = np.broadcast_to(FILM[:60], (400, 2, 60, 2, 2))
    dropped = with_dropout(films, 0.5, np.random.default_rng(0))
    grey = (dropped == BLANK).all(axis=(2, 3, 4))
    still = (dropped == films[:, :, :1]).all(axis=(2, 3, 4))
    whole = (dropped == films).all(axis=(2, 3, 4))
    assert 0.09 < grey.mean() < 0.16
    assert 0.09 < still.mean() < 0.16
    assert 0.46 < whole.mean() < 0.54
