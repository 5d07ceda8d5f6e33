from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from pipeline.separation.parts.checkpoint import NO_CHECKPOINT, Checkpoint
from pipeline.separation.parts.training import fit_steps
from tests.helpers.separator_training import KilledError, Noisy, params, trained, weights_of


@pytest.mark.parametrize(("killed_at", "optimizer"), [(2, "adamw"), (9, "adamw"), (20, "adamw"), (9, "muon")])
def test_a_killed_training_goes_on_to_the_weights_and_the_history_of_one_that_was_not(
    tmp_path: Path, killed_at: int, optimizer: str
) -> None:
    checkpoint = Checkpoint(tmp_path / "kept" / "seed-0.pt", "key", clock=iter(range(0, 10**6, 1000)).__next__)
    with pytest.raises(KilledError):
        trained(killed_at=killed_at, checkpoint=checkpoint, optimizer=optimizer)
    network = Noisy()
    calls = []

    def loss(rng: np.random.Generator) -> Tensor:
        calls.append(1)
        return network.loss(rng)

    def validation_loss() -> float:
        return float((killed_at - 1 + len(calls)) % 3)

    history = fit_steps(network, loss, validation_loss, params(steps=20, optimizer=optimizer), 0, checkpoint)
    whole, whole_history = trained(optimizer=optimizer)
    assert len(calls) == 20 - (killed_at - 1)
    assert history == whole_history
    assert weights_of(network) == weights_of(whole)


def test_the_checkpoint_of_another_training_counts_as_none(tmp_path: Path) -> None:
    path = tmp_path / "seed-0.pt"
    trained(steps=10, checkpoint=Checkpoint(path, "one"), learning_rate=0.5)
    other, _ = trained(steps=10, checkpoint=Checkpoint(path, "other"))
    assert weights_of(other) == weights_of(trained(steps=10)[0])


@pytest.mark.parametrize("damage", [b"", b"no archive", None])
def test_a_damaged_checkpoint_counts_as_none_and_a_line_says_so(
    tmp_path: Path, damage: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"seed-{len(damage or b'')}.pt"
    trained(steps=10, killed_at=None, checkpoint=Checkpoint(path, "key"))
    path.write_bytes(path.read_bytes()[:-200] if damage is None else damage)
    network, _ = trained(steps=10, checkpoint=Checkpoint(path, "key"))
    assert weights_of(network) == weights_of(trained(steps=10)[0])
    assert "it only saves time, and training begins anew" in capsys.readouterr().err


def test_parts_of_a_training_have_files_of_their_own(tmp_path: Path) -> None:
    whole = Checkpoint(tmp_path / "seed-0.pt", "key", clock=iter(range(0, 10**6, 1000)).__next__)
    trained(steps=10, checkpoint=whole.part("motion"))
    trained(steps=10, checkpoint=whole.part("appearance"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seed-0-appearance.pt", "seed-0-motion.pt"]
    assert NO_CHECKPOINT.part("motion") is NO_CHECKPOINT
