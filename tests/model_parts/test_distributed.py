"""Training on two ranks: the weights that one rank learns, whatever the loss, and who decides and writes."""

import contextlib
import multiprocessing
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn

from pipeline.errors import ParamsError
from pipeline.formats.feature_table import FeatureTable
from pipeline.model_parts import distributed
from pipeline.model_parts.base import Pairs, model_module
from pipeline.model_parts.training import seeded
from pipeline.models import ms_vae, vae_cca
from pipeline.settings.params import load_params, model_sections
from tests.helpers.project import ROOT, write_params

CASES: dict[str, dict[str, Any]] = {  # 41 rows: batches of 14 and 13, which two ranks share evenly and not
    "dual_subspace": {},
    "dual_subspace, one branch": {"lambda_corr": 0.0, "lambda_constraint": 0.0},
    "dscmr": {},
    "c_dcca": {"batch_size": 41},
    "acmr": {},  # its adversary grows with the epochs done
    "ms_vae": {"n_first_epochs": 1},  # likewise its divergence; both autoencoders compare with the raw features
    "vae_cca": {},
}
each_case = pytest.mark.parametrize("case", CASES)


def pairs(seed: int, n: int = 41, n_classes: int = 4) -> Pairs:
    """Clips whose class shifts both modalities, audio 6 wide and visual 9, in float64."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    features = np.random.default_rng(0).standard_normal((n_classes, 15))[labels] + rng.standard_normal((n, 15))
    return Pairs(features[:, :6], features[:, 6:], labels)


def write_fit(case: str, folder: Path) -> None:
    """Fit the model of a case without dropout, and write it with its history."""
    name = case.partition(",")[0]
    module = model_module(name)
    given = load_params(model_sections(ROOT / "params.yaml")[name], module.Params, ROOT / "params.yaml")
    changes = {"epochs": 3, "batch_size": 15, "patience": 2, "dropout": 0.0} | CASES[case]
    known = {key: value for key, value in changes.items() if hasattr(given, key)}
    model = module.Model(given.model_copy(update=known), seed=3)
    history = model.fit(pairs(1), pairs(2))
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / f"{case}.safetensors")
    np.save(folder / f"{case}.npy", [list(epoch.values()) for epoch in history])


@contextlib.contextmanager
def float64() -> Iterator[None]:
    """Networks of the block have float64 weights."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def fit_all(folder: Path) -> None:
    """Fit every case without the autoencoders' draws of latents, which are each rank's own, and in float64.

    AdamW's steps would follow the rounding errors of float32 where the gradient is 0, as for the last biases under CCA.
    """
    with pytest.MonkeyPatch.context() as patch, float64():
        for module in (ms_vae, vae_cca):
            patch.setattr(module, "sampled", lambda mean, _: mean)
        for case in CASES:
            write_fit(case, folder)


def dropped(n_rows: int) -> Tensor:
    """What all ranks' dropouts leave of rows of 64 ones, and what a loss sees of it."""
    encoder, seen = nn.Sequential(nn.Linear(64, 64), nn.Dropout(0.5)), []

    def loss(rows: Tensor) -> Tensor:
        seen.append(encoder(rows))
        return seen[0].sum()

    with (
        seeded(distributed.own_seed(0), torch.device("cpu")),
        distributed.shared_loss(encoder, loss, [encoder]) as shared,
    ):
        shared(torch.ones(n_rows, 64))
    return seen[0].detach()


def on_a_rank(rank: int, port: int, folder: Path) -> None:
    """What each of two processes does; it writes what it finds to a folder of its own."""
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    with mock.patch.dict(os.environ, {name: str(value) for name, value in place.items()}), distributed.joined():
        fit_all(folder / str(rank))
        answer = distributed.from_first_rank(lambda: 1 / (1 - rank))  # the second rank would fail
        ranks: Any = torch.distributed.group.WORLD
        wait = ranks._get_backend(torch.device("cpu")).options._timeout  # nothing public says it
        np.savez(folder / f"{rank}.npz", answer=answer, dropped=dropped(4).numpy(), wait=wait.total_seconds())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two ranks wrote, in 0 and 1, and one process in ``alone``."""
    folder = tmp_path_factory.mktemp("ranks")
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
    second = multiprocessing.get_context("spawn").Process(target=on_a_rank, args=(1, port, folder))
    second.start()
    on_a_rank(0, port, folder)
    second.join()
    assert second.exitcode == 0
    fit_all(folder / "alone")
    return folder


@each_case
def test_two_ranks_learn_the_weights_that_one_learns(case: str, folder: Path) -> None:
    alone, shared = (load_file(folder / who / f"{case}.safetensors") for who in ("alone", "0"))
    assert alone.keys() == shared.keys()
    for name, weights in alone.items():
        np.testing.assert_allclose(shared[name], weights, atol=1e-8, err_msg=name)


@each_case
def test_two_ranks_have_the_history_of_one(case: str, folder: Path) -> None:
    alone, shared = (np.load(folder / who / f"{case}.npy") for who in ("alone", "0"))
    np.testing.assert_allclose(shared, alone, atol=1e-8)


@each_case
def test_all_ranks_hold_the_same_model(case: str, folder: Path) -> None:
    first, second = ((folder / who / f"{case}.safetensors").read_bytes() for who in "01")
    assert first == second


def test_the_first_rank_decides_for_all(folder: Path) -> None:
    assert [float(np.load(folder / f"{rank}.npz")["answer"]) for rank in range(2)] == [1.0, 1.0]


def test_the_others_wait_for_what_the_first_rank_does_alone_on_a_million_clips(folder: Path) -> None:
    assert [float(np.load(folder / f"{rank}.npz")["wait"]) for rank in range(2)] == [24 * 3600.0] * 2


def test_every_rank_drops_values_of_its_own_and_all_see_the_same_rows(folder: Path) -> None:
    first, second = (np.load(folder / f"{rank}.npz")["dropped"] for rank in range(2))
    np.testing.assert_array_equal(first, second)
    assert ((first[:2] == 0) != (first[2:] == 0)).any()


def test_without_torchrun_there_is_one_rank_whose_loss_is_its_own() -> None:
    network = nn.Linear(2, 1)
    with distributed.joined(), distributed.shared_loss(network, network.forward, [network]) as loss:
        assert loss == network.forward
        assert (distributed.rank(), distributed.n_ranks(), distributed.own_seed(7)) == (0, 1, 7)


@pytest.mark.parametrize("environment", [{"LOCAL_RANK": "99"}, {"LOCAL_RANK": "0", "AVR_DEVICE": "cuda:0"}])
def test_ranks_that_cannot_have_a_gpu_each_are_refused(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "chosen_device", lambda: torch.device("cuda"))
    for name, value in {"WORLD_SIZE": "2", **environment}.items():
        monkeypatch.setenv(name, value)
    with (
        pytest.raises(ParamsError, match=r"rank \d+ of this machine, \d+ GPUs, .*; expected a GPU for each rank"),
        distributed.joined(),
    ):
        pass


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_stage_runs_under_torchrun_and_its_first_rank_writes(tmp_path: Path) -> None:
    train, validation = pairs(1), pairs(2)
    columns = [np.concatenate(column) for column in zip(train, validation, strict=True)]
    splits = ["train"] * 41 + ["validation"] * 41
    names = [f"clip {i}" for i in range(82)]
    table = FeatureTable(
        clip_ids=names,
        splits=splits,
        labels=columns[2],
        classes=list("abcd"),
        audio=columns[0].astype(np.float32),
        visual=columns[1].astype(np.float32),
        provenance={},
    )
    table.save(tmp_path / "features.safetensors")
    write_params(tmp_path, {"model": {"epochs": 3, "dropout": 0.0, "seeds": [0, 1]}})
    for out, launcher in (
        ("alone", []),
        ("shared", ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]),
    ):
        words = [*launcher, "stages.train", "features.safetensors", out, f"{out} embeddings"]
        env = {**os.environ, "PYTHONPATH": str(ROOT), "AVR_DEVICE": "cpu"}
        env["AVR_CACHE_DIR"] = str(tmp_path / "cache")
        subprocess.run([sys.executable, "-m", *words], cwd=tmp_path, env=env, check=True)
    assert sorted(path.name for path in (tmp_path / "shared/dual_subspace").iterdir()) == [
        "history.csv",
        "provenance.json",
        "seed-0.safetensors",
        "seed-1.safetensors",
    ]
    for out in ("alone", "shared"):
        assert sorted(path.name for path in (tmp_path / f"{out} embeddings").iterdir()) == [
            "cca.npz",
            "dual_subspace.npz",
        ]
    for seed in (0, 1):
        alone, shared = (
            load_file(tmp_path / out / "dual_subspace" / f"seed-{seed}.safetensors") for out in ("alone", "shared")
        )
        assert shared.keys() == alone.keys()
        for name, weights in alone.items():
            np.testing.assert_allclose(shared[name], weights, atol=1e-5, err_msg=name)
