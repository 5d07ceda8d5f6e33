"""How fast VGGish and Inception-v3 run here, beside the straightforward way and beside plain matrix products.

Straightforward is one row at a time, in float32, channels first, batch normalisation as a layer of its own. Both ways
have the same random weights. They and the matrix product take turns, round after round, so that whatever else the
machine does meets all alike: speed-up and share of peak compare runs of one round, and the table has their medians.
A row is a log-mel example or a picture. The environment variable AVR_DEVICE chooses the device.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor, nn

PARAMS_FILE = Path(__file__).parent.parent / "params.yaml"
VGGISH_GFLOP = 1.728  # an example; a multiplication and an addition are two
INCEPTION_GFLOP = 11.42  # a picture
CPU_PRODUCT_SIDE = 1536
CUDA_PRODUCT_SIDE = 8192
ROWS_PER_CLIP = 10
N_SINGLE_ROWS = 8

OneByOne: TypeAlias = "Callable[[NDArray[Any]], NDArray[np.float32]]"  # rows to features


class NetworkWay(NamedTuple):
    """One way to do the work: ``run`` does ``n_rows`` of ``gflop_per_row`` each, and returns what it computed."""

    work: str
    name: str
    n_rows: int
    gflop_per_row: float
    run: Callable[[], Any]


def main() -> None:
    """Print how far the ways agree, and a table of their speeds."""
    arguments = _arguments()
    import torch

    from pipeline.settings.device import chosen_device

    device = chosen_device()
    torch.set_num_threads(arguments.threads)
    ways = [product(device), *vggish_ways(device), *inception_ways(device)]
    print(f"{_machine(device)}, {arguments.threads} thread(s), torch {torch.__version__}, {arguments.rounds} rounds")
    print(f"load average of the minute before: {os.getloadavg()[0]:.2f}")
    for straightforward, ours in (ways[1:3], ways[3:5]):
        print(f"{ours.work}: largest difference between the ways {_difference(straightforward, ours):.1g} sd")
    print(table(ways, seconds_per_row(ways, arguments.rounds)))


def seconds_per_row(ways: Sequence[NetworkWay], n_rounds: int) -> "NDArray[np.float64]":
    """Return (n_rounds, n_ways) float64 seconds a row; the ways take turns, after one run each that does not count."""
    import numpy as np

    seconds = np.empty((n_rounds + 1, len(ways)))
    for row in seconds:
        for k, way in enumerate(ways):
            start = time.perf_counter()
            way.run()
            row[k] = (time.perf_counter() - start) / way.n_rows
    return seconds[1:]


def table(ways: Sequence[NetworkWay], seconds: "NDArray[np.float64]") -> str:
    """Return a markdown table of medians over the rounds.

    Args:
        ways: the matrix product, then two ways for each network, the straightforward one first.
        seconds: (n_rounds, n_ways) float64, seconds a row.
    """
    import numpy as np

    gflops = np.array([way.gflop_per_row for way in ways]) / seconds  # (n_rounds, n_ways), a second
    share = np.median(gflops / gflops[:, :1], axis=0)
    lines = ["| work | way | ms a row | rows/s | speed-up | GFLOP/s | share of peak |", "|---|---|---|---|---|---|---|"]
    for k, way in enumerate(ways):
        row_seconds = float(np.median(seconds[:, k]))
        straightforward = next(j for j, other in enumerate(ways) if other.work == way.work)
        speed_up = float(np.median(seconds[:, straightforward] / seconds[:, k]))
        lines.append(
            f"| {way.work} | {way.name} | {row_seconds * 1e3:.4g} | {1 / row_seconds:.4g} | {speed_up:.2f} "
            f"| {np.median(gflops[:, k]):.4g} | {share[k]:.2f} |"
        )
    return "\n".join(lines)


def product(device: "torch.device") -> NetworkWay:
    """Square matrix products: the peak that a network could reach; on CUDA in the networks' half precision."""
    import torch

    from pipeline.network_parts.inference import HALF

    on_gpu = device.type == "cuda"
    side, n_products = (CUDA_PRODUCT_SIDE, 20) if on_gpu else (CPU_PRODUCT_SIDE, 4)
    left, right = torch.randn(2, side, side, device=device, dtype=HALF if on_gpu else torch.float32)

    def run() -> None:
        for _ in range(n_products):
            product = left @ right
        product[0, 0].item()  # waits for a GPU

    return NetworkWay(
        "matrix product", f"{side} x {side}, {left.dtype}".replace("torch.", ""), n_products, 2e-9 * side**3, run
    )


def vggish_ways(device: "torch.device") -> list[NetworkWay]:
    """VGGish both ways."""
    import numpy as np

    from pipeline.networks.vggish import network as vggish
    from pipeline.networks.vggish import random_weights
    from pipeline.networks.vggish.about import VggishParams
    from pipeline.settings.params import load_params

    state, params = random_weights.random_state(seed=0), load_params("vggish", VggishParams, PARAMS_FILE)
    batch_size, n_batches = vggish.BATCH_SIZES[device.type], 8 if device.type == "cuda" else 2
    examples = np.random.default_rng(0).normal(-2, 1, (n_batches * batch_size, 96, 64)).astype(np.float32)
    return [
        _straightforward("VGGish", VGGISH_GFLOP, examples, plain_vggish(device)),
        _ours("VGGish", VGGISH_GFLOP, examples, vggish.build(state, params), batch_size, device),
    ]


def plain_vggish(device: "torch.device") -> OneByOne:
    """Return VGGish with random weights as a function of examples (n, 96, 64), one by one."""
    from pipeline.networks.vggish import network as vggish
    from pipeline.networks.vggish import random_weights
    from pipeline.networks.vggish.about import VggishParams
    from pipeline.settings.params import load_params

    plain = vggish.Vggish(load_params("vggish", VggishParams, PARAMS_FILE).final_relu)
    plain.load_state_dict(random_weights.random_state(seed=0))
    plain.eval().to(device)

    def embed_one(example: "Tensor") -> "Tensor":
        maps = plain.features(example.view(1, 1, 96, 64))  # (1, 512, 6, 4)
        embedding: Tensor = plain.embeddings(maps.permute(0, 2, 3, 1).flatten(1))  # (1, 128)
        return embedding

    return _one_by_one(embed_one, device)


def inception_ways(device: "torch.device") -> list[NetworkWay]:
    """Inception-v3 both ways."""
    import numpy as np

    from pipeline.networks.inception import network as inception
    from pipeline.networks.inception import random_weights
    from pipeline.networks.inception.about import InceptionParams
    from pipeline.settings.params import load_params

    state, params = random_weights.random_state(seed=0), load_params("inception", InceptionParams, PARAMS_FILE)
    batch_size, n_batches = inception.BATCH_SIZES[device.type], 8 if device.type == "cuda" else 2
    pictures = np.random.default_rng(0).integers(0, 256, (n_batches * batch_size, 299, 299, 3), np.uint8)
    return [
        _straightforward("Inception-v3", INCEPTION_GFLOP, pictures, plain_inception(device)),
        _ours("Inception-v3", INCEPTION_GFLOP, pictures, inception.build(state, params), batch_size, device),
    ]


def plain_inception(device: "torch.device") -> OneByOne:
    """Return Inception-v3 with random weights as a function of pictures (n, 299, 299, 3), one by one."""
    from torch import nn
    from torchvision.models import inception_v3

    from pipeline.networks.inception import random_weights

    plain = inception_v3(weights=None, aux_logits=False, transform_input=False, init_weights=False)
    plain.fc = nn.Identity()
    plain.load_state_dict(random_weights.random_state(seed=0))
    plain.eval().to(device)

    def embed_one(picture: "Tensor") -> "Tensor":
        features: Tensor = plain(picture.permute(2, 0, 1).float().contiguous()[None] / 127.5 - 1)  # (1, 2048)
        return features

    return _one_by_one(embed_one, device)


def _one_by_one(embed_one: "Callable[[Tensor], Tensor]", device: "torch.device") -> OneByOne:
    """A row after the other, each sent to the device and waited for."""
    import numpy as np
    import torch

    @torch.inference_mode()
    def embed(rows: "NDArray[Any]") -> "NDArray[np.float32]":
        return np.concatenate([embed_one(torch.from_numpy(row).to(device)).cpu().numpy() for row in rows])

    return embed


def _straightforward(work: str, gflop_per_row: float, rows: "NDArray[Any]", embed: OneByOne) -> NetworkWay:
    """Some rows, one after the other."""
    name = "straightforward: batch 1, channels first"
    return NetworkWay(work, name, N_SINGLE_ROWS, gflop_per_row, lambda: embed(rows[:N_SINGLE_ROWS]))


def _ours(
    work: str, gflop_per_row: float, rows: "NDArray[Any]", network: "nn.Module", batch_size: int, device: "torch.device"
) -> NetworkWay:
    """As the stages do it: clips that share batches of one size."""
    import numpy as np

    from pipeline.network_parts.inference import embed_clips

    clips = [(str(start), rows[start : start + ROWS_PER_CLIP]) for start in range(0, len(rows), ROWS_PER_CLIP)]

    def run() -> "NDArray[np.float32]":
        return np.concatenate([features for _, features in embed_clips(clips, network, batch_size, device)])

    return NetworkWay(work, f"`embed_clips`: batch {batch_size}, channels last", len(rows), gflop_per_row, run)


def _difference(straightforward: NetworkWay, ours: NetworkWay) -> float:
    """The largest difference between the ways, in standard deviations of a feature: that they do the same work."""
    expected = straightforward.run()
    return float(abs(ours.run()[: len(expected)] - expected).max() / expected.std())


def _machine(device: "torch.device") -> str:
    """What the device is called."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU ({platform.machine()})"


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backbones", description=__doc__)
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (default: 1)")
    parser.add_argument("--rounds", type=int, default=5, help="times that each way is measured (default: 5)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
