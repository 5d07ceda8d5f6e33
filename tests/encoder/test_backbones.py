"""The weights that an encoder was trained with are found by their hash, and no others are taken for them."""

from pathlib import Path

import pytest
from safetensors.torch import save_file
from torch import Tensor

from pipeline.encoder.backbones import FoundWeights, packed_file
from pipeline.encoder.config import NotedNetwork
from pipeline.errors import DataError, ParamsError
from pipeline.weights import state_sha256
from pipeline.weights.sources import SOURCES
from pipeline.weights.store import import_file, kept_files
from tests.helpers.tiny_vggish import no_random_state, tiny_state

State = dict[str, Tensor]
RANDOM_STATE = "pipeline.networks.vggish.random_weights.random_state"


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> State:
    monkeypatch.setenv("AVR_WEIGHTS_DIR", str(tmp_path / "weights"))
    monkeypatch.setattr(RANDOM_STATE, no_random_state)
    return tiny_state(monkeypatch)


def noted(state: State, weights: str) -> NotedNetwork:
    return NotedNetwork(name="vggish", params={}, facts={"weights": weights, "sha256": state_sha256(state), "seed": 4})


def assert_found(found: FoundWeights, state: State) -> None:
    assert state_sha256(found.state) == state_sha256(state)


def test_weights_in_the_folder_come_first(state: State, tmp_path: Path) -> None:
    packed_file(tmp_path, "vggish").parent.mkdir(exist_ok=True)
    save_file(state, packed_file(tmp_path, "vggish"))
    assert_found(FoundWeights(noted(state, "random"), tmp_path), state)


def test_kept_weights_are_found_by_their_hash_whatever_they_are_called(state: State, tmp_path: Path) -> None:
    save_file(state, tmp_path / "mine.safetensors")
    import_file("vggish", tmp_path / "mine.safetensors")
    other = {name: tensor + 1 for name, tensor in state.items()}
    save_file(other, tmp_path / "other.safetensors")
    import_file("vggish", tmp_path / "other.safetensors")
    assert len(kept_files()) == 2
    assert_found(FoundWeights(noted(state, "yours-0123456789ab"), tmp_path), state)


def test_random_weights_are_made_again_from_their_seed(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RANDOM_STATE, {4: state}.__getitem__)
    assert_found(FoundWeights(noted(state, "random"), tmp_path), state)


def test_other_weights_than_those_noted_are_refused(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {name: tensor + 1 for name, tensor in state.items()}
    monkeypatch.setattr(RANDOM_STATE, {4: other}.__getitem__)
    message = (
        r"vggish: weights of SHA-256 \w{12} \(made again from seed 4; .*rounds otherwise\); expected \w{12}, which"
    )
    with pytest.raises(DataError, match=message):
        _ = FoundWeights(noted(state, "random"), tmp_path).state


def test_weights_that_are_nowhere_are_named_with_what_to_do(state: State, tmp_path: Path) -> None:
    message = r"vggish: no weights 'mine-0123' in .*weights; expected them there: `avr weights import FILE`"
    with pytest.raises(DataError, match=message):
        _ = FoundWeights(noted(state, "mine-0123"), tmp_path).state


def test_published_weights_that_are_not_here_are_not_fetched_offline(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVR_OFFLINE", "1")
    name = next(name for name, source in SOURCES.items() if source.network == "vggish" and not source.is_on_tfhub)
    with pytest.raises(ParamsError, match=r"cannot be fetched \(AVR_OFFLINE=1\); expected a network, or https?://"):
        _ = FoundWeights(noted(state, name), tmp_path).state


def test_a_damaged_file_in_the_folder_is_named(state: State, tmp_path: Path) -> None:
    packed_file(tmp_path, "vggish").parent.mkdir(exist_ok=True)
    packed_file(tmp_path, "vggish").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"weights/vggish\.safetensors: .*expected the weights that were copied into"):
        _ = FoundWeights(noted(state, "random"), tmp_path).state


def test_the_facts_say_which_weights_they_are_before_any_is_loaded(state: State, tmp_path: Path) -> None:
    found = FoundWeights(noted(state, "random"), tmp_path)
    assert found.facts == {"weights": "random", "sha256": state_sha256(state), "seed": 4}
