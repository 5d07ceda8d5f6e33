"""What separators cost on one core: sound taken apart in a CPU second, beside what the arithmetic alone would take.

The clips are noise with films of noise, as many sources as a mixture of the task has. The floor is the products of all
convolutions and layers over the speed of a product of large matrices on this core.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pipeline.separation.heard import Facts, HeardClips
    from pipeline.separation.parts.base import Separator

N_SOURCES = 2
SECONDS = 6.0
N_STEPS = 4  # of the training that is timed
N_ROUNDS = 5
MATRIX_SIDE = 1024


class SeparatorCost(NamedTuple):
    """What one separator takes, on one thread.

    Attributes:
        n_weights: of the file that is saved.
        step_seconds: CPU time of a step of training.
        sound_seconds: of a mixture, taken apart in a CPU second.
        products: 10^9 multiplications with an addition for a second of sound.
        floor_share: the time that these take by themselves over the whole.
    """

    n_weights: int
    step_seconds: float
    sound_seconds: float
    products: float
    floor_share: float


def main() -> None:
    """Print a table of the separators of a task."""
    import torch
    import yaml

    arguments = _arguments()
    torch.set_num_threads(1)
    sections: dict[str, Any] = yaml.safe_load(Path(arguments.params).read_text(encoding="utf-8"))
    speed = products_in_a_second()
    print(f"{speed / 1e9:.0f} * 10^9 products in a second on one core", flush=True)
    print("| separator | weights | CPU s a step | sound s in a CPU s | 10^9 products a s of sound | of the floor |")
    print("|---|---|---|---|---|---|")
    for name, section in sections["separators"].items():
        cost = cost_of(name, sections, sections[section], speed)
        print(
            f"| `{name}` | {cost.n_weights:,} | {cost.step_seconds:.2f} | {cost.sound_seconds:.0f} | "
            f"{cost.products:.2f} | {cost.floor_share:.0%} |",
            flush=True,
        )


def products_in_a_second() -> float:
    """Return how many multiplications with an addition a product of large matrices makes in a CPU second."""
    import torch

    matrix = torch.randn(MATRIX_SIDE, MATRIX_SIDE)
    return MATRIX_SIDE**3 / _least_seconds(lambda: matrix @ matrix)


def cost_of(name: str, sections: dict[str, Any], section: dict[str, Any], speed: float) -> SeparatorCost:
    """Return what a separator takes with the sections of a task's params.yaml.

    Args:
        name: of the separator.
        sections: all of them.
        section: its own.
        speed: products in a second.
    """
    from pipeline.separation.drawing import draw_mixtures
    from pipeline.separation.heard import facts_of
    from pipeline.separation.material import Material, TrainingStream
    from pipeline.separation.mixtures import MixturesParams
    from pipeline.separation.parts.base import separator_module
    from pipeline.separation.separating import views_of
    from pipeline.separation.sounds import SoundsParams
    from pipeline.separation.views import ViewsParams

    facts = facts_of(SoundsParams.model_validate(sections["sounds"]), ViewsParams.model_validate(sections["views"]))
    mixing = MixturesParams.model_validate(
        sections["mixtures"] | {"n_sources": N_SOURCES, "n_validation": 1, "seconds": SECONDS, "kinds": {"any": 1.0}}
    )
    with tempfile.TemporaryDirectory() as folder:
        clips = noise_clips(Path(folder), facts)
        drawn = draw_mixtures("validation", clips.of_split("validation"), clips.sound, facts.rate, mixing)
        validation = Material(clips, drawn.mixtures)
        module = separator_module(name)
        separator: Separator = module.Separator(module.Params.model_validate(section | {"steps": N_STEPS}), 0)
        start = time.process_time()
        separator.fit(TrainingStream(clips, mixing), validation)
        step_seconds = (time.process_time() - start) / N_STEPS
        mixture = clips.references(validation.mixtures[0]).sum(axis=0)
        views = views_of(validation, validation.mixtures[0])
        seconds = _least_seconds(lambda: separator.separate(mixture, views)) / SECONDS
        products = _products(lambda: separator.separate(mixture, views)) / SECONDS
        separator.save(Path(folder) / "weights")
        n_weights = (Path(folder) / "weights").stat().st_size // 4
    return SeparatorCost(n_weights, step_seconds, 1 / seconds, products / 1e9, products / speed / seconds)


def noise_clips(folder: Path, facts: "Facts") -> "HeardClips":
    """Return clips of noise, two of each of four people in two splits, with sounds and views in files of the folder."""
    import numpy as np

    from pipeline.formats.clips import Clip
    from pipeline.formats.shards import Arrays, write_shards
    from pipeline.separation.heard import HeardClips

    names = [f"{split}-{person}-{number}" for split in ("train", "validation") for person in "ab" for number in "01"]
    rng = np.random.default_rng(0)
    shapes = {
        "mouth": (round(SECONDS * facts.mouth_fps), facts.mouth_size, facts.mouth_size),
        "face": (2, facts.face_size, facts.face_size, 3),
        "frames": (round(SECONDS * facts.frames_fps), facts.frames_size, facts.frames_size, 3),
    }

    def views(_: str) -> Arrays:
        films: Arrays = {name: rng.integers(0, 256, shapes[name], np.uint8) for name in facts.cut()}
        return films | {"seconds": np.zeros(1), "frames_seconds": np.zeros(1)}

    def sound(_: str) -> Arrays:
        noise = rng.normal(0, 3000, round(SECONDS * facts.rate)).astype(np.int16)
        return {"sound": noise, "n_clipped": np.zeros(1, np.int64)}

    write_shards(folder / "sounds", names, sound)
    write_shards(folder / "views", names, views)
    clips = [
        Clip(clip_id=name, path="", label="noise", split=name.split("-")[0], source_id=name.rpartition("-")[0])
        for name in names
    ]
    return HeardClips(clips, folder / "sounds", folder / "views", facts)


def _products(work: Callable[[], object]) -> float:
    """How many multiplications with an addition convolutions and layers make."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops()) / 2


def _least_seconds(work: Callable[[], object]) -> float:
    """The least CPU time of some rounds."""
    seconds = []
    for _ in range(N_ROUNDS + 1):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds[1:])


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.separation", description=__doc__)
    parser.add_argument("--params", default="separation/speech/params.yaml", help="of a task (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
