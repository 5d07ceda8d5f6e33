"""Videos become the arrays that networks read: of all clips, as the stages `logmel` and `frames` do, or of one file."""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from pipeline.clip_jobs.cache import ClipCache
from pipeline.clip_jobs.engines import prepare
from pipeline.clip_jobs.loop import Job, has_videos, map_videos, write_nothing
from pipeline.clip_jobs.share import Share
from pipeline.clip_jobs.worker import VideoFunction
from pipeline.formats.clips import Clip
from pipeline.formats.files import file_sha256
from pipeline.settings.environment import finished_clips
from pipeline.settings.fingerprint import fingerprint
from pipeline.settings.imports import files_behind, packages_behind
from pipeline.settings.limits import Limits, clip_limits, load_limits
from pipeline.settings.params import StageParams, load_params
from pipeline.settings.paths import AnyPath

if TYPE_CHECKING:
    from pipeline.video import Bounds


def modules_behind(stage: str, package: str = "pipeline") -> list[str]:
    """Return the modules that decide what a decoding stage makes of a video, besides its params.

    Args:
        stage: its name.
        package: in which the module of that name is.

    Example:
        >>> modules_behind("frames")
        ['pipeline.frames', 'pipeline.video']
    """
    return [f"{package}.{stage}", "pipeline.video"]


def loaded_by_workers(modules: Sequence[str]) -> list[str]:
    """Return what workers need of some modules: those, and torch where they load it with the first picture.

    Example:
        >>> loaded_by_workers(["pipeline.frames"])
        ['pipeline.frames', 'torch']
    """
    return [*modules, *({"torch"} & {*packages_behind(files_behind(modules))})]


def decode_clips(
    stage: str,
    clips_csv: AnyPath,
    out: AnyPath,
    share: Share,
    package: str = "pipeline",
    uncounted: Callable[[], Collection[str]] = tuple,
    is_left: Callable[[], bool] = bool,
) -> None:
    """Write shards of what ``clip_arrays`` of the module ``PACKAGE.STAGE`` makes of every clip, and rejected.csv.

    Args:
        stage: such as ``logmel`` or ``frames``; the name of the section of params.yaml too.
        clips_csv: the clips; where none has a video, nothing heavy is loaded and no shard is written.
        out: the folder to write.
        share: the clips to compute.
        package: in which the module of that name is.
        uncounted: returns the kinds of refusals that do not count against ``dataset.max_rejected_fraction``.
        is_left: is called if there is a video, and returns whether the work is left to somebody else.

    Raises:
        DataError: too many clips are refused.
        ParamsError: a section of params.yaml or an environment variable is wrong.
    """
    if not has_videos(clips_csv):
        write_nothing(out)
        return
    if is_left():
        return
    modules = modules_behind(stage, package)
    prepare(["pipeline.clip_jobs.loop", *loaded_by_workers(modules)])  # while this process looks for clips
    module = import_module(f"{package}.{stage}")
    params, of_run, limits = load_params(stage, module.PARAMS), clip_limits(), load_limits()
    cache = ClipCache(finished_clips(stage), fingerprint(params.model_dump(mode="json"), modules))
    function = clip_function(stage, params, limits, package)
    job = Job(stage, cache, Path(out), share)
    seconds = of_run.clip_timeout_seconds
    map_videos(job, clips_csv, function, of_run.max_rejected_fraction, seconds, limits, uncounted())


def decode_file(
    stage: str, path: AnyPath, params: StageParams | None = None, limits: Limits | None = None
) -> dict[str, NDArray[Any]]:
    """Return the arrays that a decoding stage makes of one video, which need not be a clip of a data set.

    Args:
        stage: ``logmel`` or ``frames``.
        path: of the video.
        params: section ``STAGE``; None: that of params.yaml.
        limits: what the video may ask for; None: those of params.yaml.

    Returns:
        Arrays by name, among them ``seconds`` (n,) float64.

    Raises:
        ClipError: the video cannot be used.
        OSError: it cannot be read.
    """
    video, module = Path(path), import_module(f"pipeline.{stage}")
    clip = Clip(clip_id=video.name, path=video.name, label="", sha256=file_sha256(video))
    params, bounds = params or load_params(stage, module.PARAMS), bounds_of(limits or load_limits())
    arrays: dict[str, NDArray[Any]] = module.clip_arrays(clip, video, params, bounds)
    return arrays


def clip_function(stage: str, params: StageParams, limits: Limits, package: str = "pipeline") -> VideoFunction:
    """Return what makes the arrays, by name, of a clip whose video is at a path; workers can be given it.

    Args:
        stage: ``logmel`` or ``frames``.
        params: section ``STAGE``.
        limits: what a video may ask for.
        package: in which the module of that name is.
    """
    return partial(import_module(f"{package}.{stage}").clip_arrays, params=params, bounds=bounds_of(limits))


def bounds_of(limits: Limits) -> "Bounds":
    """Return what a video may ask for; what reads videos is found by its name, as stages of networks do without it."""
    bounds: type[Bounds] = import_module("pipeline.video").Bounds
    return bounds(*(getattr(limits, key) for key in bounds._fields))
