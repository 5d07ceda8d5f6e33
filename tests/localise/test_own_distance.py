"""Oracles: plain loops over sorted galleries, with the distances written out."""

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.localise.own_distance import SHARES, retrieval_by_distance
from pipeline.localise.segments import WAYS, chance_segment_retrieval

LABELS = np.repeat([0, 1, 2, 3], [9, 6, 4, 1])


Halves = tuple[np.ndarray, np.ndarray]  # latent means, generated pairs


def seconds(n: int, seed: int) -> Halves:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 4)), rng.normal(size=(n, 7))


def alike(of: Halves, noise: float, seed: int) -> Halves:
    rng = np.random.default_rng(seed)
    return of[0] + noise * rng.normal(size=of[0].shape), of[1] + noise * rng.normal(size=of[1].shape)


@pytest.mark.parametrize("name", SHARES)
def test_retrieval_agrees_with_a_loop_over_sorted_galleries(name: str) -> None:
    latent_share, generated_share = {"latent": (1, 0), "generated": (0, 1), "own": (0.5, 0.5)}[name]
    audio = seconds(20, 0)
    visual = alike(audio, 1.0, 1)
    both = {"audio": audio, "visual": visual}
    found = retrieval_by_distance(audio, visual, LABELS, SHARES[name])
    assert tuple(found) == WAYS
    for way in WAYS:
        query, searched = (both[modality] for modality in way.split("_to_"))
        ranks = []
        for i in range(20):
            items = [j for j in range(20) if query is not searched or j != i]
            if LABELS[i] not in LABELS[items]:
                continue
            distances = [
                latent_share * np.linalg.norm(query[0][i] - searched[0][j])
                + generated_share * np.mean((query[1][i] - searched[1][j]) ** 2)
                for j in items
            ]
            ranked = LABELS[items][np.argsort(distances)]
            ranks.append(1 / (1 + int(np.argmax(ranked == LABELS[i]))))
        assert found[way] == pytest.approx(np.mean(ranks))


def test_a_collapsed_model_gets_chance_in_retrieval_whatever_the_order_of_the_gallery() -> None:
    flat = np.full((20, 4), 0.3), np.full((20, 7), 0.1)
    chance = chance_segment_retrieval(LABELS)
    found = retrieval_by_distance(flat, flat, LABELS, SHARES["own"])
    assert found["audio_to_visual"] == pytest.approx(chance["audio_to_visual"])
    assert found["visual_to_visual"] == pytest.approx(chance["visual_to_visual"])


def test_numbers_without_a_distance_and_labels_of_other_lengths_are_refused() -> None:
    good, bad = seconds(20, 0), seconds(20, 1)
    bad[1][3, 2] = np.nan
    with pytest.raises(DataError, match="latents or generated pairs: NaN or infinite values"):
        retrieval_by_distance(good, bad, LABELS, SHARES["own"])
    with pytest.raises(DataError, match=r"audio labels: shape \(19,\); expected \(20,\)"):
        retrieval_by_distance(good, good, LABELS[:-1], SHARES["own"])
