"""What models get: of seconds that both modalities share, of noise, and of clips that lack labels or places."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.localise import scores as scores_module
from pipeline.localise.clip_seconds import Seconds
from pipeline.localise.own_distance import SHARES
from pipeline.localise.results import report
from pipeline.localise.scores import (
    EventScores,
    chance_scores,
    class_numbers,
    cosine_scores,
    mean_scores,
    own_scores,
    searched_events,
)
from tests.helpers import ave_list

WIDTH = 16
BOTH_WAYS = {"exact_start", "start_mrr", "segment_mrr"}


class Embeds:
    """A model of which an embedding is the features, and whose own distance compares them twice."""

    def embed_audio(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        return audio

    embed_visual = embed_audio

    def own_parts(
        self, modality: str, features: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return features[:, :3], features[:, 3:]


def clips(n: int, noise: float = 0.0, labels: str = "abcd") -> list[Seconds]:
    """Clips of ten seconds; either modality is shared numbers and noise of its own, the event leans to its class."""
    rng, events = np.random.default_rng(0), ave_list.made_up(n)
    made = []
    for number, start, length in zip(*(column.tolist() for column in events), strict=True):
        shared = rng.normal(size=(10, WIDTH)) + 4 * np.eye(WIDTH)[number]
        audio, visual = ((shared + noise * rng.normal(size=shared.shape)).astype(np.float32) for _ in range(2))
        made.append(Seconds(audio, visual, labels[number] if labels else "", start, length))
    return made


def of_model(made: list[Seconds]) -> EventScores:
    return cosine_scores(Embeds(), made)  # type: ignore[arg-type]  # it neither learns nor saves


def test_seconds_that_both_modalities_share_are_all_found() -> None:
    found = of_model(clips(40))
    for way in ("audio_to_visual", "visual_to_audio", "average"):
        assert found[way] == {"exact_start": 1.0, "start_mrr": 1.0, "segment_mrr": 1.0}
    assert list(found) == ["audio_to_visual", "visual_to_audio", "average", "audio_to_audio", "visual_to_visual"]
    assert found["audio_to_audio"].keys() == {"segment_mrr"}


def test_noise_gets_what_chance_gets() -> None:
    made = clips(400, noise=1e4)
    found, chance = of_model(made), chance_scores(made)
    for way in ("audio_to_visual", "visual_to_audio"):
        spread = chance[way]["exact_start_std"]
        assert abs(found[way]["exact_start"] - chance[way]["exact_start"]) < 4 * spread
        assert found[way]["segment_mrr"] == pytest.approx(chance[way]["segment_mrr"], abs=0.06)
    assert found.keys() == chance.keys()
    assert found["average"].keys() == chance["average"].keys() == BOTH_WAYS


def test_the_rows_are_of_length_one_before_distances_are_taken() -> None:
    made = clips(40, noise=2.0)
    longer = [of._replace(audio=of.audio * np.arange(1, 11, dtype=np.float32)[:, None]) for of in made]
    for way, numbers in of_model(longer).items():
        assert numbers == pytest.approx(of_model(made)[way])


def test_the_segment_of_an_event_is_its_middle_second() -> None:
    made = clips(60, noise=2.0)
    middles = [of.start + of.length // 2 for of in made]
    ranks = []
    for i, of in enumerate(made):
        query = of.audio[middles[i]] / np.linalg.norm(of.audio[middles[i]])
        items = [other.visual[middle] for other, middle in zip(made, middles, strict=True)]
        order = np.argsort([-query @ item / np.linalg.norm(item) for item in items])
        ranks.append(1 + [made[j].label for j in order].index(of.label))
    assert of_model(made)["audio_to_visual"]["segment_mrr"] == pytest.approx(np.mean(1 / np.array(ranks)))


def test_the_own_distance_compares_its_parts_and_no_cosine() -> None:
    made = clips(60, noise=1.5)
    by_parts = own_scores(Embeds(), made, SHARES["own"])  # type: ignore[arg-type]  # modality is any text to it
    right = 0
    for of in made:
        sums = []
        for place in range(10 - of.length + 1):
            apart = of.audio[of.start : of.start + of.length] - of.visual[place : place + of.length]
            parts = np.linalg.norm(apart[:, :3], axis=1) + np.linalg.norm(apart[:, 3:], axis=1)
            sums.append(parts.sum() / 2)
        right += int(np.argmin(sums)) == of.start
    assert by_parts["audio_to_visual"]["exact_start"] == pytest.approx(right / 60)
    assert by_parts.keys() == of_model(made).keys()


def test_without_labels_there_are_starts_alone() -> None:
    made = clips(20, labels="")
    for found in (of_model(made), chance_scores(made)):
        assert list(found) == ["audio_to_visual", "visual_to_audio", "average"]
        assert found["average"].keys() == {"exact_start", "start_mrr"}


def test_clips_without_a_label_are_neither_queries_nor_found() -> None:
    made = clips(40, noise=2.0)
    some = [of._replace(label="") if i % 2 else of for i, of in enumerate(made)]
    known = [of for of in some if of.label]
    assert of_model(some)["audio_to_audio"] == pytest.approx(of_model(known)["audio_to_audio"])
    assert of_model(some)["audio_to_visual"]["exact_start"] == of_model(made)["audio_to_visual"]["exact_start"]


def test_events_that_fill_their_clips_have_no_starts_and_clips_all_of_different_classes_no_segments() -> None:
    full = [of._replace(start=0, length=10) for of in clips(12)]
    lone = [of._replace(label=f"{i}") for i, of in enumerate(full)]
    assert of_model(full)["average"].keys() == chance_scores(full)["average"].keys() == {"segment_mrr"}
    assert of_model(lone) == chance_scores(lone) == {}


def test_of_many_events_some_are_searched_by_class_and_their_number_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    made = clips(40, noise=2.0)
    monkeypatch.setattr(scores_module, "MOST_SEARCHED", 12)
    rows = searched_events(class_numbers(made))
    assert len(rows) == 12
    assert rows.tolist() == sorted({*rows.tolist()})
    some = [made[row] for row in rows]
    found, alone = of_model(made), of_model(some)
    assert found["audio_to_audio"] == alone["audio_to_audio"]
    assert found["average"]["segment_mrr"] == alone["average"]["segment_mrr"]
    assert chance_scores(made)["visual_to_visual"] == chance_scores(some)["visual_to_visual"]
    assert report(Path(), [], made)["n_searched"] == 12
    assert "n_searched" not in report(Path(), [], some)


def test_means_are_over_the_seeds() -> None:
    by_seed: list[EventScores] = [{"average": {"exact_start": 0.2}}, {"average": {"exact_start": 0.6}}]
    assert mean_scores(by_seed) == {"average": {"exact_start": pytest.approx(0.4)}}
