import itertools
import re
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from pipeline.errors import DataError, ParamsError, RejectKind
from pipeline.features.clip_vectors import (
    FeaturesParams,
    check_audio_scaling,
    check_modalities,
    clip_features,
    mean_over_time,
    scale_audio,
)
from pipeline.features.pca import NO_PCA, load_pca
from pipeline.formats import provenance, rejects
from pipeline.formats.clips import Clip, write_clips
from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.shards import Arrays, read_shards, write_shards
from pipeline.frames import FramesParams, offsets
from pipeline.logmel import LogMelParams, streamed_arrays
from pipeline.network_parts.base import NetworkLine
from pipeline.networks.inception.about import InceptionParams
from pipeline.networks.vggish.about import VggishParams
from pipeline.networks.vggish.audioset_pca import VggishPca, postprocess
from pipeline.settings.params import StageParams, load_params
from pipeline.video import iter_frames, read_waveform
from stages import features as stage
from tests.helpers.synthetic import numbered_picture, sine, write_clip
from tests.helpers.yaml_text import read_yaml

ROOT = Path(__file__).parents[2]
PATHS = ("clips.csv", "imported", "dataset", "logmel", "frames", "vggish", "inception", "out")
SECTIONS: dict[str, type[StageParams]] = {
    "features": FeaturesParams,
    "inception": InceptionParams,
    "logmel": LogMelParams,
    "vggish": VggishParams,
}


def features_params(**changes: str) -> FeaturesParams:
    return load_params("features", FeaturesParams, ROOT / "params.yaml").model_copy(update=changes)


def test_a_clip_is_the_mean_of_its_vectors_whatever_their_number() -> None:
    vectors = {"a": np.array([[1, 2], [3, 6]]), "not asked for": np.array([[7, 7]]), "b": np.array([[5, 5]])}
    assert mean_over_time(vectors.items(), ["b", "a"]).tolist() == [[5, 5], [2, 4]]


def test_no_clip_s_vectors_are_kept() -> None:
    made: list[weakref.ref[NDArray[np.float32]]] = []

    def clips() -> Iterator[tuple[str, NDArray[np.float32]]]:
        for k in range(20):
            assert sum(vectors() is not None for vectors in made) <= 1  # the one that was just taken
            vectors = np.full((10, 4), k, np.float32)
            made.append(weakref.ref(vectors))
            yield str(k), vectors
            del vectors

    assert mean_over_time(clips(), [str(k) for k in range(20)])[:, 0].tolist() == list(range(20))


def test_a_clip_that_does_not_come_is_named() -> None:
    with pytest.raises(DataError, match=r"clip 'b': no vectors \(2 such clips\)"):
        mean_over_time([("a", np.ones((1, 2)))], ["c", "a", "b"])


def test_a_mean_of_no_clips_is_refused() -> None:
    with pytest.raises(DataError, match="no clip is left; expected at least one"):
        mean_over_time([], [])


def test_vegas_scaling_brings_8_bits_near_zero() -> None:
    audio = np.array([[0, 128, 255]], np.float32)
    assert scale_audio(audio, "vegas").tolist() == [[-0.5, 0, 127 / 256]]
    assert scale_audio(audio, "none").tolist() == audio.tolist()


def test_vegas_scaling_of_a_network_without_8_bits_names_a_key_that_is_there() -> None:
    with pytest.raises(
        ParamsError, match=r"'vegas' .* which network 'vggish' .* expected none: -S features.audio_scaling"
    ):
        check_audio_scaling(features_params(audio_scaling="vegas"), None)


@pytest.mark.parametrize("postprocess", ["none", "pca"])
def test_vegas_scaling_of_other_features_than_8_bits_is_refused(postprocess: str) -> None:
    message = rf"features.audio_scaling: 'vegas' with vggish.postprocess={postprocess!r}; expected pca_uint8"
    with pytest.raises(ParamsError, match=message):
        check_audio_scaling(features_params(audio_scaling="vegas"), postprocess)


def test_other_scalings_are_accepted() -> None:
    check_audio_scaling(features_params(), "none")
    check_audio_scaling(features_params(audio_scaling="vegas"), "pca_uint8")


LINES = {
    "a": NetworkLine(inputs="logmel", modality="audio"),
    "b": NetworkLine(inputs="logmel", modality="audio"),
    "v": NetworkLine(inputs="frames", modality="visual"),
}


def test_of_several_networks_of_a_modality_the_params_choose_one() -> None:
    check_modalities(features_params(audio="b", visual="v"), LINES)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"audio": "c", "visual": "v"}, r"features\.audio: 'c' is no audio network; expected one of a, b"),
        ({"audio": "v", "visual": "v"}, r"features\.audio: 'v' is no audio network; expected one of a, b"),
        ({"audio": "a", "visual": "a"}, r"features\.visual: 'a' is no visual network; expected one of v"),
    ],
)
def test_a_network_of_the_other_modality_or_of_no_line_is_refused(chosen: dict[str, str], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        check_modalities(features_params(**chosen), LINES)


def test_a_modality_without_a_network_is_named() -> None:
    with pytest.raises(ParamsError, match=r"'v' is no visual network; expected a line of `networks` with modality vis"):
        check_modalities(features_params(audio="a", visual="v"), {"a": LINES["a"]})


def raw_embeddings() -> dict[str, NDArray[np.float32]]:
    """What VGGish made of twelve clips of 1 to 12 examples."""
    rng = np.random.default_rng(0)
    return {f"clip {k:02d}": rng.normal(0.3, 1, (k + 1, 128)).astype(np.float32) for k in range(12)}


def run_stage(folder: Path, facts: dict[str, str | bool], audio: Mapping[str, Arrays]) -> FeatureTable:
    """The stage on clips with these audio embeddings and random visual ones."""
    clip_ids, rng = sorted(audio), np.random.default_rng(1)
    splits = itertools.cycle(["train", "train", "validation", "test"])
    clips = [
        Clip(clip_id=i, path=i, label="ab"[k % 2], split=split)
        for k, (i, split) in enumerate(zip(clip_ids, splits, strict=False))
    ]
    write_clips(folder / "clips.csv", clips)
    visual = {i: {"embeddings": rng.random((3, 16), np.float32), "seconds": np.arange(3) + 0.5} for i in clip_ids}
    for name, arrays in {"vggish": audio, "inception": visual}.items():
        write_shards(folder / name, clip_ids, arrays.__getitem__)
        provenance.write_provenance(folder / name, dict(facts))
    for name in ("dataset", "logmel", "frames"):
        (folder / name).mkdir()
        rejects.write(folder / name / rejects.FILE, [])
    FeatureTable.empty().save(folder / "imported")
    stage.main(*(folder / name for name in PATHS))
    return FeatureTable.load(folder / "out")


def with_scaling(folder: Path, scaling: str) -> None:
    params = read_yaml((ROOT / "params.yaml").read_text())
    params["features"]["audio_scaling"] = scaling
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


def test_the_legacy_switches_make_what_the_published_vegas_files_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """final_relu, pca_uint8 and vegas together; the expected numbers are spelt out in NumPy."""
    rng = np.random.default_rng(2)
    matrix, means = rng.normal(0, 0.1, (128, 128)), rng.normal(0.5, 0.2, 128)
    expected, audio = [], dict[str, Arrays]()
    for clip_id, embeddings in raw_embeddings().items():
        with_relu = np.maximum(embeddings, 0)
        audio[clip_id] = {"embeddings": postprocess(with_relu, VggishPca(matrix, means), quantise=True)}
        components = np.einsum("ij,nj->ni", matrix, with_relu.astype(np.float64) - means)
        eight_bits = ((np.clip(components, -2, 2) + 2) * 255 / 4).astype(np.uint8)
        expected.append((eight_bits.sum(axis=0) / len(eight_bits) - 128) / 256)
    monkeypatch.chdir(tmp_path)
    with_scaling(tmp_path, "vegas")
    table = run_stage(tmp_path, {"final_relu": True, "postprocess": "pca_uint8"}, audio)
    np.testing.assert_allclose(table.audio, expected, atol=1e-7)
    assert table.provenance["vggish"] == {"final_relu": True, "postprocess": "pca_uint8"}
    assert table.provenance["features"]["audio_scaling"] == "vegas"


def test_the_stage_refuses_vegas_scaling_of_raw_embeddings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with_scaling(tmp_path, "vegas")
    audio = {clip_id: {"embeddings": rows} for clip_id, rows in raw_embeddings().items()}
    with pytest.raises(ParamsError, match=r"'vegas' with vggish\.postprocess='none'"):
        run_stage(tmp_path, {"postprocess": "none"}, audio)


def test_the_visual_side_is_a_pca_of_the_mean_vectors_of_the_train_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with_scaling(tmp_path, "none")
    table = run_stage(tmp_path, {"postprocess": "none"}, {i: {"embeddings": e} for i, e in raw_embeddings().items()})
    means = {i: arrays["embeddings"].mean(axis=0) for i, arrays in read_shards(tmp_path / "inception")}
    rows = np.array([means[i] for i in table.clip_ids], np.float64)
    fitted = PCA(svd_solver="full", n_components=5).fit(rows[np.array(table.splits) == "train"])
    expected = fitted.transform(rows) / np.sqrt(fitted.explained_variance_ + 1e-4)
    np.testing.assert_allclose(np.abs(table.visual), np.abs(expected), rtol=1e-4, atol=1e-5)


def test_without_components_the_visual_side_is_the_mean_itself_in_the_table_and_of_one_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    params = read_yaml((ROOT / "params.yaml").read_text())
    params["features"] |= {"visual_components": None, "whiten": False}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    table = run_stage(tmp_path, {"postprocess": "none"}, {i: {"embeddings": x} for i, x in raw_embeddings().items()})
    of_clips = {i: arrays["embeddings"] for i, arrays in read_shards(tmp_path / "inception")}
    expected = [of_clips[i].astype(np.float64).mean(axis=0) for i in table.clip_ids]
    np.testing.assert_allclose(table.visual, expected, rtol=1e-6)
    pca, chosen = load_pca(tmp_path / "pca.safetensors"), load_params("features", FeaturesParams)
    assert len(pca.mean) == 0
    alone = [clip_features("visual", of_clips[i], chosen, pca)[0] for i in table.clip_ids]
    np.testing.assert_array_equal(alone, table.visual)


def test_whitening_without_components_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(
        (ROOT / "params.yaml").read_text().replace("_components: 1024", "_components: null")
    )
    with pytest.raises(ParamsError, match=r"visual_components=null, whiten=true; expected whiten=false where there is"):
        load_params("features", FeaturesParams)


def test_one_clip_alone_has_the_features_of_its_row_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with_scaling(tmp_path, "none")
    table = run_stage(tmp_path, {"postprocess": "none"}, {i: {"embeddings": e} for i, e in raw_embeddings().items()})
    params, fitted = load_params("features", FeaturesParams), load_pca(tmp_path / "pca.safetensors")
    for folder, modality, rows in (("vggish", "audio", table.audio), ("inception", "visual", table.visual)):
        for clip_id, arrays in read_shards(tmp_path / folder):
            row = clip_features(modality, arrays["embeddings"], params, fitted)
            np.testing.assert_allclose(row, rows[[table.clip_ids.index(clip_id)]], rtol=1e-5, atol=1e-6)


def test_a_clip_without_vectors_has_no_features() -> None:
    with pytest.raises(DataError, match="audio: no vectors; expected at least one to average over time"):
        clip_features("audio", np.zeros((0, 4), np.float32), features_params(), NO_PCA)


def ten_seconds(folder: Path) -> Path:
    pictures = [numbered_picture(k) for k in range(100)]
    return write_clip(folder / "clip.mp4", pictures, sine(440, 0.5, 10.0, 44100)[None], frames_per_second=10)


@pytest.mark.parametrize("hop_seconds", [0.96, 1.0])
def test_ten_seconds_of_sound_make_ten_examples_at_either_hop(tmp_path: Path, hop_seconds: float) -> None:
    logmel = load_params("logmel", LogMelParams, ROOT / "params.yaml")
    assert logmel.example_hop_seconds == 0.96
    params = logmel.model_copy(update={"example_hop_seconds": hop_seconds})
    arrays = streamed_arrays("clip", [(0.0, read_waveform(ten_seconds(tmp_path)))], params)
    assert arrays["examples"].shape == (10, 96, 64)
    np.testing.assert_allclose(arrays["seconds"], [hop_seconds * k for k in range(10)])
    assert arrays["seconds"][-1] + params.example_seconds == pytest.approx(9 * hop_seconds + 0.975)


def test_an_example_a_second_lies_around_the_picture_of_its_second(tmp_path: Path) -> None:
    frames = load_params("frames", FramesParams, ROOT / "params.yaml")
    path = ten_seconds(tmp_path)
    params = load_params("logmel", LogMelParams, ROOT / "params.yaml").model_copy(update={"example_hop_seconds": 1.0})
    starts = streamed_arrays("clip", [(0.0, read_waveform(path))], params)["seconds"]
    times = [seconds for seconds, _ in iter_frames(path, frames.frames_per_second, offsets(frames, "clip"))]
    assert times == [k + 0.5 for k in range(10)]
    assert ((starts < times) & (times < starts + params.example_seconds)).all()


def test_the_documentation_names_every_kind_of_reject_and_no_unknown_switch() -> None:
    table = (ROOT / "docs" / "clips.md").read_text()
    assert [kind for kind in get_args(RejectKind) if not re.search(rf"^\| .*`{kind}`.* \|", table, re.MULTILINE)] == []
    switches = re.findall(r"-S ([\w.]+)=(\w+)", (ROOT / "docs" / "networks.md").read_text())
    assert {name.partition(".")[0] for name, _ in switches} >= {"vggish", "features"}
    for name, value in switches:
        section, _, key = name.partition(".")
        params = {**read_yaml((ROOT / "params.yaml").read_text())[section], key: read_yaml(value)}
        SECTIONS[section].model_validate(params)
