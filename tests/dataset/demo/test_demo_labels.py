"""Labels of the demo that are hidden or redrawn, as the stage ``dataset`` finds them."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.dataset.sources import demo
from pipeline.dataset.sources.demo import CLASS_NAMES, DemoClip, DemoParams, find_clips
from pipeline.dataset.splits import assign_splits
from pipeline.errors import ParamsError
from pipeline.formats.clips import Clip
from tests.dataset.demo.test_demo import SMALL
from tests.helpers.dataset_params import dataset_params

N_TRAIN = 24  # of 40 clips a class: 10 are test, and 6 of the rest are validation


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401  # a function of any keywords
    """Clips with splits, of a demo whose films are not drawn, and of which the true label is the folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVR_CACHE_DIR", str(tmp_path / "cache"))

    def plain_clips(_folder: Path, params: DemoParams) -> list[DemoClip]:
        plans = [demo._plan(index, params) for index in range(params.n_classes * params.clips_per_class)]
        return sorted(plan.clip for plan in plans)

    monkeypatch.setattr(demo, "make_demo", plain_clips)

    def clips_of(labels: str = "folders", **changes: float) -> list[Clip]:
        section = SMALL | {"n_classes": 10, "clips_per_class": 40} | changes
        Path("params.yaml").write_text(yaml.safe_dump({"demo": section}))
        params = dataset_params(source="demo", labels=labels)
        return assign_splits(find_clips(params).clips, params)

    return clips_of


def true_label(clip: Clip) -> str:
    return clip.path.split("/")[0]


def test_as_many_train_clips_of_each_class_keep_their_label_and_all_others_do(found: Any) -> None:  # noqa: ANN401
    for fraction, n_left in ((1.0, 24), (0.25, 6), (0.01, 1), (0.0, 0)):
        clips = found(labelled_fraction=fraction)
        assert all(clip.label == true_label(clip) for clip in clips if clip.split != "train")
        train = [clip for clip in clips if clip.split == "train"]
        assert len(train) == N_TRAIN * len(CLASS_NAMES)
        left = Counter(clip.label for clip in train if clip.label)
        assert left == Counter(dict.fromkeys(CLASS_NAMES, n_left)) if n_left else not left
        assert all(clip.label in ("", true_label(clip)) for clip in train)


def test_some_of_the_labels_that_are_left_are_drawn_anew(found: Any) -> None:  # noqa: ANN401
    clips = found(labelled_fraction=0.5, wrong_labels=0.4)
    changed = [clip for clip in clips if clip.label not in ("", true_label(clip))]
    n_left = sum(clip.split == "train" and clip.label != "" for clip in clips)
    assert n_left == 12 * len(CLASS_NAMES)
    assert {clip.split for clip in changed} == {"train"}
    assert 35 <= len(changed) <= 48 == round(0.4 * n_left)  # a tenth of those that are redrawn are right by chance
    assert len({clip.label for clip in changed}) > 5  # all classes, not one
    assert clips == found(labelled_fraction=0.5, wrong_labels=0.4) != found(labelled_fraction=0.5, wrong_labels=0.3)


def test_hidden_labels_change_no_split_and_draw_no_film_again(found: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401
    folders = []
    made = demo.make_demo

    def noted(folder: Path, params: DemoParams) -> list[DemoClip]:
        folders.append(folder)
        return made(folder, params)

    monkeypatch.setattr(demo, "make_demo", noted)
    whole, some = found(), found(labelled_fraction=0.1, wrong_labels=0.2)
    assert [(clip.path, clip.split) for clip in whole] == [(clip.path, clip.split) for clip in some]
    found(shared_within_class=0.5)
    assert folders[0] == folders[1] != folders[2]


@pytest.mark.parametrize("changes", [{"labelled_fraction": 0.5}, {"wrong_labels": 0.1}])
def test_labels_that_another_setting_replaces_are_not_hidden(found: Any, changes: dict[str, float]) -> None:  # noqa: ANN401
    message = r"dataset.labels=none with demo.labelled_fraction=.*, which it undoes; expected folders, or 1 and 0"
    with pytest.raises(ParamsError, match=message):
        found(labels="none", **changes)
