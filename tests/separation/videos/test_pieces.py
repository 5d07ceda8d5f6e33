"""Pieces of a long sound: what is done to each alone is, joined, what is done to the whole."""

from itertools import pairwise

import numpy as np
import pytest

from pipeline.separation.videos.pieces import PIECE_SECONDS, SHARED_SECONDS, Joined, pieces_of

RATE = 10
SOUND = np.random.default_rng(0).normal(size=2345).astype(np.float32)


@pytest.mark.parametrize("n_samples", [1, 599, 600, 601, 1120, 1121, 2345])
def test_pieces_cover_the_sound_and_overlap(n_samples: int) -> None:
    pieces = list(pieces_of(n_samples, RATE))
    assert pieces[0].start == pieces[0].first_used == 0
    assert pieces[-1].stop == n_samples
    assert all(piece.stop - piece.start <= PIECE_SECONDS * RATE for piece in pieces)
    for before, piece in pairwise(pieces):
        assert before.stop - piece.start >= SHARED_SECONDS * RATE
        assert piece.start < piece.first_used < before.stop


def test_pieces_that_are_left_as_they_are_make_the_sound_again() -> None:
    joined = Joined(len(SOUND), RATE, is_ordered=True)
    for piece in pieces_of(len(SOUND), RATE):
        joined.add(piece, np.stack([SOUND[piece.start : piece.stop], 2 * SOUND[piece.start : piece.stop]]))
    np.testing.assert_allclose(joined.sounds, np.stack([SOUND, 2 * SOUND]), atol=1e-6)


def test_no_step_is_heard_where_two_pieces_differ() -> None:
    """Pieces of constant level 0, 1, 2, ... : from one to the next it rises in a straight line of two seconds."""
    joined = Joined(len(SOUND), RATE, is_ordered=True)
    for number, piece in enumerate(pieces_of(len(SOUND), RATE)):
        joined.add(piece, np.full((1, piece.stop - piece.start), number, np.float32))
    assert np.diff(joined.sounds[0]).max() <= 1 / (2 * RATE) + 1e-6
    assert joined.sounds[0, -1] == len(list(pieces_of(len(SOUND), RATE))) - 1


def test_sources_in_a_changing_order_are_put_into_that_of_the_piece_before() -> None:
    joined = Joined(len(SOUND), RATE, is_ordered=False)
    for number, piece in enumerate(pieces_of(len(SOUND), RATE)):
        cut = SOUND[piece.start : piece.stop]
        joined.add(piece, np.stack([cut, -cut] if number % 2 else [-cut, cut]))
    np.testing.assert_allclose(joined.sounds, np.stack([-SOUND, SOUND]), atol=1e-6)
