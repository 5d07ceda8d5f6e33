"""Films of mouths other than they were taken: of one who does not speak, or who is hidden for some of the time."""

import numpy as np
from numpy.typing import NDArray

BLANK = 108  # the mean brightness of mouths, to which separators scale films
PICTURES_AT_A_TIME = (5, 20)  # fewest and most that are hidden, or seen, in one go
QUIET_PICTURES = 5

Film = NDArray[np.uint8]  # (n_pictures, size, size), or in colours


def hidden_at_times(film: Film, rng: np.random.Generator) -> Film:
    """Return a film (n_pictures, size, size) of which about half is hidden: made grey, or the picture before stays.

    Args:
        film: of a mouth.
        rng: where all draws come from: when, how long and how.
    """
    hidden, start, is_hidden = film.copy(), 0, rng.random() < 0.5
    fewest, most = PICTURES_AT_A_TIME
    while start < len(film):
        stop = start + int(rng.integers(fewest, most + 1))
        if is_hidden:
            hidden[start:stop] = BLANK if rng.random() < 0.5 else film[max(start - 1, 0)]
        start, is_hidden = stop, not is_hidden
    return hidden


def listening(film: Film, sound: NDArray[np.floating]) -> Film:
    """Return a film (n_pictures, ...) of one who is not heard: the quietest part of a film, to and fro.

    Args:
        film: (n_pictures, ...); none of it where there are no pictures.
        sound: (n_samples,), of the same time.
    """
    if not len(film):
        return film
    loudness = np.array([np.square(part).sum() for part in np.array_split(sound, len(film))])
    length = min(QUIET_PICTURES, len(film))
    first = int(np.argmin(np.convolve(loudness, np.ones(length), mode="valid")))
    to_and_fro = [*range(length), *range(length - 2, 0, -1)]
    places: NDArray[np.intp] = first + np.resize(to_and_fro, len(film))
    return film[places]


def with_dropout(films: NDArray[np.uint8], fraction: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return films (batch, n_sources, n_pictures, size, size), some hidden at times, some held still, some grey.

    Args:
        films: of mouths.
        fraction: of the films that are changed: a half in the first way, a quarter in each other one.
        rng: where all draws come from.
    """
    changed = films.copy()
    for place in np.ndindex(films.shape[:2]):
        drawn = rng.random()
        if drawn < fraction / 2:
            changed[place] = hidden_at_times(films[place], rng)
        elif drawn < fraction * 3 / 4:
            changed[place] = films[place][:1]
        elif drawn < fraction:
            changed[place] = BLANK
    return changed
