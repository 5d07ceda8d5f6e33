"""The lines by which the page on features loads embeddings into other libraries, run as they stand there."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.dataset.feature_files.export import export_run
from pipeline.formats.clips import Clip, write_clips, write_root
from pipeline.formats.embeddings import EmbeddedClips
from tests.encoder.test_encoder import made_in
from tests.helpers.pages import blocks

PAGE = "docs/features.md"
NAMES = ("numpy", "pandas", "faiss", "json")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the lines of the page leave behind, in a folder that looks like that of a run."""
    folder = tmp_path_factory.mktemp("run")
    made = made_in(folder, "dual_subspace")
    made.run.embeddings.rename(folder / "data" / "embeddings")
    export_run(made.run.features, folder / "data" / "embeddings", ["dual_subspace"], folder / "data" / "exported")
    clips = [Clip(clip_id=f"clip {k}", path=f"{k}.mp4", label="bark") for k in range(45)]
    write_clips(folder / "data" / "clips.csv", clips)
    write_root(folder / "data" / "clips.csv", folder / "videos")
    before, left = Path.cwd(), dict[str, Any]()
    os.chdir(folder)
    try:
        for block in blocks(PAGE):
            if block.language == "python":
                exec(compile(block.text, f"{PAGE}:{block.line}", "exec"), left)
    finally:
        os.chdir(before)
    return left | {"folder": folder}


def test_each_library_is_shown() -> None:
    shown = [block.text for block in blocks(PAGE) if block.language == "python"]
    assert [name for name, text in zip(NAMES, shown, strict=True) if f"import {name}" not in text] == []
    assert all(len(text.splitlines()) <= 11 for text in shown)


def test_numpy_gets_cosines(found: dict[str, Any]) -> None:
    clips = EmbeddedClips.load(found["folder"] / "data" / "embeddings" / "dual_subspace.npz")
    test = [k for k, split in enumerate(clips.splits) if split == "test"]
    for row, query in enumerate(test[:3]):
        for column, item in enumerate(test[:3]):
            x, y = clips.audio[0, query].astype(float), clips.visual[0, item].astype(float)
            cosine = (x @ y) / np.sqrt((x @ x) * (y @ y))
            rows = found["audio"][found["test"]] @ found["visual"][found["test"]].T
            assert rows[row, column] == pytest.approx(cosine, abs=1e-5)


def test_pandas_gets_a_row_a_clip(found: dict[str, Any]) -> None:
    assert found["table"].clip_id.tolist() == [f"clip {k}" for k in range(45)]


def test_faiss_finds_what_a_product_of_matrices_finds(found: dict[str, Any]) -> None:
    table = found["table"]
    scores = np.stack(table.audio[:5]) @ np.stack(table.visual).T
    np.testing.assert_allclose(found["scores"], -np.sort(-scores, axis=1)[:, :3], atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(scores, found["places"], axis=1), found["scores"], atol=1e-6)


def test_json_has_a_sample_a_clip(found: dict[str, Any]) -> None:
    samples = json.loads((found["folder"] / "data" / "exported" / "samples.json").read_text())["samples"]
    assert len(samples) == 45
    assert samples[7]["filepath"] == str(found["folder"] / "videos" / "7.mp4")
    assert samples[7]["ground_truth"] == {"_cls": "Classification", "label": "meow"}
    np.testing.assert_allclose(samples[7]["embedding"], found["table"].visual[7])
