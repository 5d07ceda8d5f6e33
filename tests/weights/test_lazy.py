from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pipeline.errors import DataError
from pipeline.weights.lazy import LazyWeights
from pipeline.weights.store import kept_files, load_or_make
from tests.helpers.tiny_vggish import State, no_random_state, tiny_state


@pytest.fixture(autouse=True)
def _weights_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_WEIGHTS_DIR", str(tmp_path / "weights"))


def small_state(seed: int) -> State:
    return {"w": torch.full((2,), float(seed))}


def random_weights(folder: Path, seed: int = 5, made_by: str = "code") -> LazyWeights:
    return LazyWeights("vggish", "random", seed, small_state, folder / "memory.json", made_by)


def never(_: int) -> State:
    raise AssertionError


def test_the_facts_and_the_tensors_are_those_that_load_or_make_returns(tmp_path: Path) -> None:
    lazy = random_weights(tmp_path)
    state, facts = load_or_make("vggish", "random", 5, small_state)
    assert lazy.facts == facts
    assert torch.equal(lazy.state["w"], state["w"])


def test_the_hash_of_random_weights_is_remembered(tmp_path: Path) -> None:
    facts = random_weights(tmp_path).facts
    again = LazyWeights("vggish", "random", 5, never, tmp_path / "memory.json", "code")
    assert again.facts == facts


def test_another_seed_or_other_code_has_a_hash_of_its_own(tmp_path: Path) -> None:
    random_weights(tmp_path)
    for seed, made_by in ((6, "code"), (5, "new code")):
        lazy = LazyWeights("vggish", "random", seed, lambda seed: small_state(seed + 1), tmp_path / "m", made_by)
        assert lazy.facts == load_or_make("vggish", "random", seed, lambda seed: small_state(seed + 1))[1]


def test_a_damaged_memory_counts_as_none(tmp_path: Path) -> None:
    facts = random_weights(tmp_path).facts
    (tmp_path / "memory.json").write_text("{")
    assert random_weights(tmp_path).facts == facts


def test_weights_that_are_not_what_was_remembered_are_refused(tmp_path: Path) -> None:
    assert random_weights(tmp_path).facts
    other = LazyWeights("vggish", "random", 5, lambda _: small_state(7), tmp_path / "memory.json", "code")
    with pytest.raises(DataError, match=r"vggish: weights of SHA-256 \w+, noted was \w+; expected the same: delete"):
        _ = other.state


def test_the_facts_of_kept_weights_come_without_their_tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file(tiny_state(monkeypatch), tmp_path / "mine.safetensors")
    path = str(tmp_path / "mine.safetensors")
    _, facts = load_or_make("vggish", path, 0, no_random_state)
    lazy = LazyWeights("vggish", path, 0, never, tmp_path / "memory.json", "code")
    kept_files()[0].write_bytes(b"damaged")
    assert lazy.facts == facts
    with pytest.raises(DataError, match="expected what this program wrote"):
        _ = lazy.state
