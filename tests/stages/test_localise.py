"""The stage on made-up vectors over time and real models: what it writes with event times, and without any."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline.features.pca import fit_pca, save_pca, transform
from pipeline.formats.clips import Clip, write_clips
from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.provenance import write_provenance
from pipeline.formats.shards import write_shards
from pipeline.model_parts.seeds import LEFT_OUT, fit_seeds
from pipeline.models.cca import Params as CcaParams
from pipeline.models.ms_vae import Params as MsVaeParams
from stages import localise
from tests.helpers.project import ROOT
from tests.helpers.yaml_text import read_yaml

N_CLIPS, N_SECONDS, WIDTH = 60, 10, 6
OUT = Path("localisation.json")
MODELS = {"cca": "baselines.cca", "ms_vae": "baselines.ms_vae", "c_cca": "baselines.c_cca"}


def write_run(folder: Path, *, with_times: bool = True) -> None:
    """A run in which sound and pictures of a second share what they show, under little noise."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(N_CLIPS, N_SECONDS, WIDTH))
    sounds, pictures = (
        (shared @ rng.normal(size=(WIDTH, WIDTH)) + 0.05 * rng.normal(size=shared.shape)).astype(np.float32)
        for _ in range(2)
    )
    ids, splits = [f"{i:02}" for i in range(N_CLIPS)], (["train"] * 4 + ["validation", "test"]) * (N_CLIPS // 6)
    starts = rng.integers(0, 6, N_CLIPS).tolist()
    times = [{"start_seconds": start, "end_seconds": start + 4.0} if with_times else {} for start in starts]
    write_clips(
        folder / "clips.csv",
        [
            Clip(clip_id=name, path=name, label="ab"[i % 2], split=split, **of)
            for i, (name, split, of) in enumerate(zip(ids, splits, times, strict=True))
        ],
    )
    seconds = {"sounds": 0.96 * np.arange(N_SECONDS), "pictures": 0.5 + np.arange(N_SECONDS)}
    for name, vectors in (("sounds", sounds), ("pictures", pictures)):
        write_shards(
            folder / name,
            ids,
            lambda i, name=name, vectors=vectors: {"embeddings": vectors[int(i)], "seconds": seconds[name]},
        )
    fitted = fit_pca(pictures.reshape(-1, WIDTH), WIDTH)
    save_pca(fitted, folder / "pca.safetensors")
    params = read_yaml((ROOT / "params.yaml").read_text())
    params["models"] = MODELS
    small = {"audio_widths": [8], "visual_widths": [8], "decoder_widths": [8], "latent_width": 3, "epochs": 2}
    params["baselines"]["ms_vae"] |= {**small, "seeds": [0, 1]}
    params["baselines"]["cca"]["n_components"] = 4
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    rows = transform(fitted, pictures.reshape(-1, WIDTH), params["features"]["whiten"], params["features"]["epsilon"])
    of_seconds = FeatureTable(  # models of single seconds, which are as easy as they can be
        clip_ids=[f"{i}" for i in range(N_CLIPS * N_SECONDS)],
        splits=np.repeat(splits, N_SECONDS).tolist(),
        labels=np.repeat(np.arange(N_CLIPS) % 2, N_SECONDS),
        classes=["a", "b"],
        audio=sounds.reshape(-1, WIDTH),
        visual=rows,
        provenance={},
    )
    for name, layout in (("cca", CcaParams), ("ms_vae", MsVaeParams)):
        fit_seeds(name, layout.model_validate(params["baselines"][name]), of_seconds, folder / "models" / name)
    (folder / "models" / "c_cca").mkdir()
    write_provenance(folder / "models" / "c_cca", {LEFT_OUT: "no label"})


def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.chdir(folder)
    localise.main(*map(Path, ("clips.csv", "pca.safetensors", "sounds", "pictures", "models")), OUT)
    report: dict[str, Any] = json.loads(OUT.read_text())
    return report


def test_events_that_both_modalities_share_are_found_and_the_file_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path)
    report = run(tmp_path, monkeypatch)
    assert (report["n_clips"], report["n_events"]) == (10, 10)
    assert list(report["models"]) == ["cca", "ms_vae"]  # and not the one that was left out
    assert report["models"]["cca"]["average"]["exact_start"] > 0.9
    assert report["chance"]["average"]["exact_start"] == pytest.approx(1 / 7, abs=1e-6)
    assert list(report["own_distance"]["ms_vae"]) == ["latent", "generated", "own"]
    heading, best, *_ = capsys.readouterr().out.splitlines()
    assert heading == (
        "localise: exact starts of 10 events, mean of both directions; all else stands in localisation.json"
    )
    assert best.split()[0] == "cca"
    first = OUT.read_bytes()
    run(tmp_path, monkeypatch)
    assert OUT.read_bytes() == first


def test_without_event_times_a_line_says_so_and_the_file_holds_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path, with_times=False)
    report = run(tmp_path, monkeypatch)
    assert report == {"n_clips": 0, "n_events": 0, "models": {}, "own_distance": {}, "chance": {}}
    said = (
        "localise: no test clip has an event with times that is shorter than itself: localisation.json has no starts\n"
    )
    assert capsys.readouterr().out == said


def test_as_a_command_it_names_what_is_missing(tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-m",
        "stages.localise",
        "clips.csv",
        "pca.safetensors",
        "a",
        "v",
        "models",
        str(OUT),
    ]
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("localise: DataError: ")
    assert len(done.stderr.splitlines()) == 1
