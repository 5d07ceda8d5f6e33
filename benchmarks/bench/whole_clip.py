"""From the file of a clip to its vectors of sound and pictures, beside the straightforward way and the limits."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import backbones, decode
from benchmarks.bench import decoding
from benchmarks.bench.ways import Aim, BenchRow, Computed, Task, Way, WorkSize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LIMIT = "libavcodec's work + matrix products"
KINDS = ((320, 240, 250), (640, 360, 250), (1280, 720, 250))  # width, height, key frame interval
REASON = "the sum of what decoding and the networks leave, and the pictures that are kept as JPEG"
ALONE = "a batch has one size, so that a vector does not depend on its neighbours: 10 rows pay for 16 and for 32"
SIDE, QUALITY = 299, 95
ALIKE = {"sound": 0.2, "pictures": 1e-2}  # standard deviations of a feature; the sound is resampled by another filter


def rows(is_quick: bool) -> list[BenchRow]:
    """Return a row for clips that share batches, as in the stages, and one for a file by itself, as in a search."""
    if is_quick:
        return []  # weights of this size take seconds to make
    return [
        _row("clip", "a file of a data set to both vectors", KINDS, 3, Aim(LIMIT, 1.2, REASON)),
        _row("clip alone", "a file by itself to both vectors", KINDS[1:2], 3, Aim(LIMIT, 1.7, ALONE)),
    ]


def _row(name: str, what: str, kinds: Sequence[tuple[int, int, int]], n_rounds: int, aim: Aim) -> BenchRow:
    """A row of clips of some kinds."""
    ways = [
        Way("ours", "ours", "ours"),
        Way("straightforward", "peer", "straightforward", bounds=ALIKE),
        Way(LIMIT, "limit", "limit"),
    ]
    said = ", ".join(f"{width}x{height}" for width, height, _ in kinds)
    size = {"clips": len(kinds), "seconds": decode.SECONDS, "height": max(height for _, height, _ in kinds)}
    what = f"{what}, clips of 10 s ({said})"
    return BenchRow(
        name, "clip", what, "ms a clip", __name__, size, ways, n_rounds, aim,
        lambda folder: decoding.write_clips(folder, kinds),
    )  # fmt: skip


def ours(size: WorkSize, folder: Path) -> Task:
    """Prepare what the stages do: log-mel examples, squares as JPEG files, and both networks in batches."""
    import torch

    from pipeline import frames, logmel
    from pipeline.formats.clips import Clip
    from pipeline.network_parts.base import network_part
    from pipeline.network_parts.inference import embedder
    from pipeline.settings.params import load_params

    paths, file, device = decoding.clips_of(folder), _params_file(), torch.device("cpu")
    clips = [Clip(clip_id=path.name, path=path.name, label="", sha256="0" * 64) for path in paths]
    of_sound = partial(logmel.clip_arrays, params=load_params("logmel", logmel.PARAMS, file))
    of_pictures = partial(frames.clip_arrays, params=load_params("frames", frames.PARAMS, file))
    steps = []
    for name, network, arrays_of in (("sound", "vggish", of_sound), ("pictures", "inception", of_pictures)):
        params = load_params(network, network_part(network, "about").PARAMS, file)
        embed = embedder(network, network_part(network, "random_weights").random_state(seed=0), params, device)
        steps.append((name, arrays_of, network_part(network, "network").rows_of, embed))

    def run() -> Computed:
        found = {}
        for name, arrays_of, rows_of, embed in steps:
            decoded = zip(paths, map(arrays_of, clips, paths), strict=True)
            vectors = [of_clip for _, of_clip in embed((path.name, rows_of(arrays)) for path, arrays in decoded)]
            found[name] = _means(vectors)
        return found

    return Task(run, len(paths))


def straightforward(size: WorkSize, folder: Path) -> Task:
    """Prepare every picture as an array, PIL's resize, librosa's resampling, and networks a row at a time."""
    import librosa
    import numpy as np
    import torch

    from pipeline.logmel import LogMelParams, log_mel_examples
    from pipeline.settings.params import load_params

    paths, params = decoding.clips_of(folder), load_params("logmel", LogMelParams, _params_file())
    of_sound, of_pictures = (
        plain(torch.device("cpu")) for plain in (backbones.plain_vggish, backbones.plain_inception)
    )

    def run() -> Computed:
        sounds, pictures = [], []
        for path in paths:
            pictures.append(of_pictures(np.stack([_kept(picture) for picture in decode.naive_pyav(path)[0]])))
            sound, rate = _native_sound(path)
            waveform = librosa.resample(sound, orig_sr=rate, target_sr=params.sample_rate)
            sounds.append(of_sound(log_mel_examples(waveform, params)))
        return {"sound": _means(sounds), "pictures": _means(pictures)}

    return Task(run, len(paths))


def limit(size: WorkSize, folder: Path) -> Task:
    """Prepare libavcodec's own work on the clips, and matrix products of as many operations as the networks have."""
    import torch

    plans, products = (
        list(map(decoding.DecodingPlan, decoding.clips_of(folder))),
        backbones.product(torch.device("cpu")),
    )
    gflop = len(plans) * decode.SECONDS * (backbones.INCEPTION_GFLOP + backbones.VGGISH_GFLOP)
    n_runs = round(gflop / (products.n_rows * products.gflop_per_row))

    def run() -> None:
        for plan in plans:
            plan.decode()
        for _ in range(n_runs):
            products.run()

    return Task(run, len(plans))


def _means(vectors: "Sequence[NDArray[np.float32]]") -> "NDArray[np.float32]":
    """The mean over time of each clip's vectors (n, width), in standard deviations of a number: (n_clips, width)."""
    import numpy as np

    return np.asarray(np.stack([of_clip.mean(axis=0) for of_clip in vectors]) / np.concatenate(vectors).std())


def _native_sound(path: Path) -> "tuple[NDArray[np.float32], int]":
    """The mean of the channels (n_samples,) at the file's own rate, and that rate in Hz."""
    import av
    import numpy as np

    with av.open(str(path)) as container:
        parts = [frame.to_ndarray() for frame in container.decode(audio=0)]
        return np.concatenate(parts, axis=1).mean(axis=0), container.streams.audio[0].rate


def _kept(picture: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    """A picture as a square (299, 299, 3), through a JPEG file and back."""
    import io

    import numpy as np
    from PIL import Image

    file = io.BytesIO()
    square = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    square.save(file, "jpeg", quality=QUALITY, subsampling="4:2:0")
    with Image.open(file) as image:
        return np.asarray(image)


def _params_file() -> Path:
    """The params.yaml of the checkout that ``pipeline`` comes from."""
    import pipeline

    return Path(pipeline.__path__[0]).parent / "params.yaml"
