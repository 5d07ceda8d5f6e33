import hashlib
import json
import sys
from pathlib import Path
from subprocess import run

import numpy as np
import pytest
import torch

from pipeline.errors import ParamsError
from pipeline.weights import check_random_allowed, provenance, state_sha256


@pytest.mark.parametrize("allow_random", [False, True])
def test_the_demo_runs_on_random_weights(allow_random: bool) -> None:
    check_random_allowed("vggish", "random", allow_random, source="demo")


def test_own_videos_run_on_random_weights_only_when_asked_to() -> None:
    check_random_allowed("vggish", "random", True, source="folder")
    with pytest.raises(ParamsError, match=r"no published quality.*-S vggish\.allow_random=true"):
        check_random_allowed("vggish", "random", False, source="folder")


def test_unknown_weights_are_named_beside_the_known_ones() -> None:
    with pytest.raises(
        ParamsError, match=r"inception\.weights: 'imagenet' is unknown; expected one of: random, imagenet1k_v1; or"
    ):
        check_random_allowed("inception", "imagenet", True, source="demo")


def test_the_path_of_a_file_and_the_names_of_the_networks_own_sources_are_known(tmp_path: Path) -> None:
    (tmp_path / "mine.pth").touch()
    for weights in ("tfhub", "tf_checkpoint", "torchvggish", str(tmp_path / "mine.pth")):
        check_random_allowed("vggish", weights, False, source="folder")
    for weights in ("tfhub", str(tmp_path / "yours.pth")):
        with pytest.raises(ParamsError, match="is unknown"):
            check_random_allowed("inception", weights, False, source="folder")


def test_the_hash_is_that_of_names_and_values_in_sorted_order() -> None:
    first, second = np.arange(6, dtype=np.float32).reshape(2, 3), np.array(7)
    expected = hashlib.sha256(b"a" + second.tobytes() + b"b" + first.tobytes()).hexdigest()
    assert state_sha256({"b": torch.from_numpy(first), "a": torch.from_numpy(second)}) == expected


def test_the_hash_does_not_depend_on_the_memory_order() -> None:
    weight = torch.arange(120.0).reshape(2, 3, 4, 5)
    assert state_sha256({"w": weight.contiguous(memory_format=torch.channels_last)}) == state_sha256({"w": weight})


def test_one_changed_weight_changes_the_hash() -> None:
    assert state_sha256({"w": torch.tensor([1.0, 2.0])}) != state_sha256({"w": torch.tensor([1.0, 2.0000002])})


def test_the_provenance_is_a_map_of_scalars() -> None:
    written = provenance("random", {"w": torch.zeros(3)}, seed=4, final_relu=False)
    assert json.loads(json.dumps(written)) == {
        "weights": "random",
        "sha256": hashlib.sha256(b"w" + bytes(12)).hexdigest(),
        "seed": 4,
        "final_relu": False,
    }


def test_checking_the_params_does_not_load_torch() -> None:
    code = "import sys, pipeline.weights; sys.exit('torch' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0
