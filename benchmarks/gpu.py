"""What a GPU makes of the steps that can use one, beside the CPU of the same machine: one command, one table.

It measures both networks (and the share of the peak that matrix products in their precision reach), an epoch of the
main model with small and large batches, exact metrics of a large gallery, and how many processes decode as fast as the
GPU embeds. Numbers are rows a second on the clock, the best of some rounds: a GPU is not shared while it is measured.
``--write`` puts the table into docs/gpu.md. Without a GPU, ``--device cpu`` shows that the script runs.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from unittest import mock

PAGE = Path(__file__).parent.parent / "docs" / "gpu.md"


class GpuRow(NamedTuple):
    """A step on both devices.

    Attributes:
        step: in words.
        unit: what is counted, such as ``pictures/s``.
        gpu: how many a second on the device that was asked for.
        cpu: how many on the CPU.
        note: such as the share of the device's peak.
    """

    step: str
    unit: str
    gpu: float
    cpu: float
    note: str = ""


class GpuSizes(NamedTuple):
    """How large the work is.

    Attributes:
        rounds: of which the best counts.
        clips: pairs of an epoch.
        items: of the gallery, and queries.
        videos: that are decoded, each of ten seconds.
    """

    rounds: int = 5
    clips: int = 16_800
    items: int = 28_000
    videos: int = 64


SMALL = GpuSizes(1, 400, 500, 2)


def main() -> None:
    """Print the table, or write it."""
    arguments = _arguments()
    text = page(arguments.device, SMALL if arguments.small else GpuSizes())
    if arguments.write:
        PAGE.write_text(text, encoding="utf-8")
    print(text)


def page(device: str, sizes: GpuSizes) -> str:
    """Return the page in Markdown: a row a step.

    Args:
        device: as AVR_DEVICE names it.
        sizes: of the work.

    Raises:
        ParamsError: there is no such device.
    """
    import torch

    with _on(device):
        from pipeline.settings.device import chosen_device

        name = torch.cuda.get_device_name() if chosen_device().type == "cuda" else device
    lines = [
        "# On a GPU",
        "",
        f"`python -m benchmarks.gpu --write`, torch {torch.__version__}, {name}; the CPU has all of its cores.",
        "",
        f"| step | unit | {name} | CPU | ratio | |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows(device, sizes):
        print(f"{row.step}: {row.gpu:.4g} {row.unit}, on the CPU {row.cpu:.4g}", flush=True)
        cells = [row.step, row.unit, f"{row.gpu:.4g}", f"{row.cpu:.4g}", f"{row.gpu / row.cpu:.3g}", row.note]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def rows(device: str, sizes: GpuSizes) -> Iterator[GpuRow]:
    """Yield the rows of the table, as they are measured.

    Args:
        device: as AVR_DEVICE names it.
        sizes: of the work.
    """
    pictures = 0.0
    for network, unit in (("vggish", "examples/s"), ("inception", "pictures/s")):
        (speed, share), (on_cpu, _) = (_network(network, name, sizes) for name in (device, "cpu"))
        pictures = speed
        yield GpuRow(network, unit, speed, on_cpu, f"{share:.2f} of the peak of matrix products")
    for batch_size in (64, 1024):
        speed, on_cpu = (_epoch(name, batch_size, sizes) for name in (device, "cpu"))
        yield GpuRow(f"training, batches of {batch_size}", "clips/s", speed, on_cpu)
    speed, on_cpu = (_metrics(name, sizes) for name in (device, "cpu"))
    yield GpuRow("all metrics, one way", "queries/s", speed, on_cpu)
    decoded = _decoded(sizes)
    note = f"{pictures / decoded:.1f} processes decode as fast as Inception-v3 embeds"
    yield GpuRow("decoding, one process, for Inception-v3", "pictures/s", decoded, decoded, note)


def _network(name: str, device: str, sizes: GpuSizes) -> tuple[float, float]:
    """Rows a second of a network, and the share of the peak."""
    import torch

    from benchmarks import backbones

    of_device = torch.device(device)
    ours = {"vggish": backbones.vggish_ways, "inception": backbones.inception_ways}[name](of_device)[1]
    peak = backbones.product(of_device)
    seconds, of_peak = (_best(way.run, sizes.rounds) / way.n_rows for way in (ours, peak))
    return 1 / seconds, (ours.gflop_per_row / seconds) / (peak.gflop_per_row / of_peak)


def _epoch(device: str, batch_size: int, sizes: GpuSizes) -> float:
    """Clips a second of the main model's training, validation left out."""
    import torch

    from benchmarks.training import LARGE, make_pairs
    from pipeline.model_parts.base import model_module
    from pipeline.model_parts.training import AdamW, minibatches, train_step
    from pipeline.settings.params import load_params, model_sections

    module = model_module("dual_subspace")
    params = load_params(model_sections()["dual_subspace"], module.Params)
    with _on(device):
        model = module.Model(params, 0)
    audio, visual, onehot = model._on_device(make_pairs(sizes.clips, LARGE, 1))
    network = model._new_network([audio.shape[1], visual.shape[1], onehot.shape[1]])
    data = (*network.prepare(audio, visual, onehot), onehot)
    optimizer, order = AdamW(network.train().parameters(), params), torch.Generator().manual_seed(0)

    def run() -> None:
        batches = minibatches(sizes.clips, batch_size, order, audio.device)
        losses = [train_step(network.loss, [tensor[rows] for tensor in data], optimizer) for rows in batches]
        losses[-1].item()  # waits for a GPU

    return sizes.clips / _best(run, sizes.rounds)


def _metrics(device: str, sizes: GpuSizes) -> float:
    """Queries a second of all metrics."""
    from benchmarks.retrieval import make_problem
    from pipeline.evaluate.query_metrics import evaluate_retrieval
    from pipeline.retrieval import queries

    problem = make_problem(sizes.items, 64, 10)
    with _on(device), mock.patch.object(queries, "SCORES_FOR_A_GPU", 0):
        seconds = _best(
            lambda: evaluate_retrieval(problem.audio, problem.visual, problem.labels, problem.labels, (1, 5, 10)),
            sizes.rounds,
        )
    return sizes.items / seconds


def _decoded(sizes: GpuSizes) -> float:
    """Pictures a second that one process decodes and resizes."""
    import numpy as np

    from pipeline.formats.clips import Clip
    from pipeline.frames import FramesParams, clip_arrays
    from pipeline.settings.params import load_params
    from pipeline.video import write_mp4

    params = load_params("frames", FramesParams)
    with TemporaryDirectory() as folder:
        path, rng = Path(folder) / "a.mp4", np.random.default_rng(0)
        base = rng.integers(0, 256, (45, 80, 3)).repeat(8, 0).repeat(8, 1)
        pictures = np.stack([np.roll(base, 3 * i, axis=1) for i in range(250)]).astype(np.uint8)
        write_mp4(path, pictures, 25, np.zeros(10 * 16000, np.float32), 16000)
        clip = Clip(clip_id="a", path="a.mp4", label="a", split="train", sha256="")
        n_pictures = 10 * sizes.videos
        return n_pictures / _best(lambda: [clip_arrays(clip, path, params) for _ in range(sizes.videos)], sizes.rounds)


@contextmanager
def _on(device: str) -> Iterator[None]:
    """Compute on a device in the block."""
    with mock.patch.dict("os.environ", {"AVR_DEVICE": device}):
        yield


def _best(run: Callable[[], object], rounds: int) -> float:
    """The least seconds on the clock of some runs, after one that does not count."""
    run()
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda", help="as AVR_DEVICE names it (default: cuda)")
    parser.add_argument("--small", action="store_true", help="sizes that only show that it runs")
    parser.add_argument("--write", action="store_true", help=f"into docs/{PAGE.name}")
    return parser.parse_args()


if __name__ == "__main__":
    main()
