"""Oracles: plain loops over all places and over sorted galleries, with the distances written out."""

import numpy as np
import pytest

from pipeline.errors import DataError
from studies.protocols.few_queries import chance_segment_retrieval
from studies.protocols.own_distance import (
    SHARES,
    WAYS,
    HalvedVideo,
    Halves,
    localisation_by_distance,
    retrieval_by_distance,
)

LABELS = np.repeat([0, 1, 2, 3], [9, 6, 4, 1])


def seconds(n: int, seed: int) -> Halves:
    rng = np.random.default_rng(seed)
    return Halves(rng.normal(size=(n, 4)), rng.normal(size=(n, 7)))


def alike(of: Halves, noise: float, seed: int) -> Halves:
    rng = np.random.default_rng(seed)
    return Halves(*(half + noise * rng.normal(size=half.shape) for half in of))


def videos(n: int) -> list[HalvedVideo]:
    rng = np.random.default_rng(5)
    made = []
    for seed in range(n):
        audio, length = seconds(10, seed), int(rng.integers(2, 10))
        made.append(HalvedVideo(audio, alike(audio, 1.5, seed + 100), int(rng.integers(0, 11 - length)), length))
    return made


@pytest.mark.parametrize("name", SHARES)
def test_localisation_agrees_with_a_loop_over_places_and_seconds(name: str) -> None:
    latent_share, generated_share = {"latent": (1, 0), "generated": (0, 1), "own": (0.5, 0.5)}[name]
    made = videos(40)
    right = {"audio_to_visual": 0, "visual_to_audio": 0}
    for audio, visual, start, length in made:
        for way, event, searched in (("audio_to_visual", audio, visual), ("visual_to_audio", visual, audio)):
            sums = []
            for place in range(10 - length + 1):
                total = 0.0
                for k in range(length):
                    total += latent_share * np.linalg.norm(event.latent[start + k] - searched.latent[place + k])
                    total += generated_share * np.linalg.norm(
                        event.generated[start + k] - searched.generated[place + k]
                    )
                sums.append(total)
            right[way] += int(np.argmin(sums)) == start
    found = localisation_by_distance(made, SHARES[name])
    assert found == pytest.approx({way: n / 40 for way, n in right.items()})
    assert 0.2 < min(found.values()) < 1


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
                latent_share * np.linalg.norm(query.latent[i] - searched.latent[j])
                + generated_share * np.mean((query.generated[i] - searched.generated[j]) ** 2)
                for j in items
            ]
            ranked = LABELS[items][np.argsort(distances)]
            ranks.append(1 / (1 + int(np.argmax(ranked == LABELS[i]))))
        assert found[way] == pytest.approx(np.mean(ranks))


def test_a_collapsed_model_gets_chance_in_retrieval_whatever_the_order_of_the_gallery() -> None:
    flat = Halves(np.full((20, 4), 0.3), np.full((20, 7), 0.1))
    chance = chance_segment_retrieval(LABELS)
    found = retrieval_by_distance(flat, flat, LABELS, SHARES["own"])
    assert found["audio_to_visual"] == pytest.approx(chance["cross_modal"])
    assert found["visual_to_visual"] == pytest.approx(chance["within_modality"])


def test_numbers_without_a_distance_and_labels_of_other_lengths_are_refused() -> None:
    good, bad = seconds(20, 0), seconds(20, 1)
    bad.generated[3, 2] = np.nan
    with pytest.raises(DataError, match="latents or generated pairs: NaN or infinite values"):
        retrieval_by_distance(good, bad, LABELS, SHARES["own"])
    with pytest.raises(DataError, match="latents or generated pairs: NaN or infinite values"):
        localisation_by_distance([HalvedVideo(good.rows(slice(10)), bad.rows(slice(10)), 2, 3)], SHARES["own"])
    with pytest.raises(DataError, match=r"audio labels: shape \(19,\); expected \(20,\)"):
        retrieval_by_distance(good, good, LABELS[:-1], SHARES["own"])
    with pytest.raises(DataError, match="localisation: no video; expected at least one"):
        localisation_by_distance([], SHARES["own"])
