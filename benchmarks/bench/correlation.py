"""CCA of paired rows and of clusters in closed form, beside the libraries that have it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.bench.ways import Aim, BenchRow, CountedWork, Task, Way, WorkSize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

N_CLASSES = 10
RIDGE = 1e-9  # of the mean variance: as good as none
LIMIT = "three products"
REASON = "three covariances of blocks are all that goes with the number of rows"
AS_MANY = Way(LIMIT, "limit", "products")


def rows(is_quick: bool) -> list[BenchRow]:
    """Return the rows: CCA of a large set, of one that scikit-learn can bear, and cluster-CCA."""
    large = (400, 64, 32, 8) if is_quick else (28_000, 1024, 128, 128)
    small = (300, 32, 16, 4) if is_quick else (4_000, 128, 64, 10)
    n_rounds, n_small = (2, 2) if is_quick else (4, 7)
    zoo = Way("cca-zoo", "peer", "cca_zoo", "cca-zoo", {"correlations": 1e-6})
    scikit = Way("scikit-learn", "peer", "scikit_learn", "scikit-learn", {"correlations": 1e-3})
    ours, clusters = Way("ours", "ours", "ours"), Way("ours", "ours", "cluster")
    return [
        _row("cca", "CCA", large, [ours, zoo, AS_MANY], n_rounds),
        _row("cca small", "CCA", small, [ours, zoo, scikit, AS_MANY], n_small, None),
        _row("cluster-cca", "cluster-CCA", large, [clusters, AS_MANY], n_rounds),
    ]


def _row(
    name: str, what: str, shape: tuple[int, int, int, int], ways: list[Way], n_rounds: int, most: float | None = 1.3
) -> BenchRow:
    """A row of paired views of some rows and widths."""
    size = dict(zip(("rows", "x_width", "y_width", "components"), shape, strict=True))
    said = f"{what}, {shape[0]:,} rows of {shape[1]} and {shape[2]}, {shape[3]} components"
    aim = Aim(LIMIT, most, REASON) if most else None
    return BenchRow(name, "cca", said, "ms a fit", __name__, size, ways, n_rounds, aim, runs=3 if most is None else 1)


def ours(size: WorkSize, folder: Path) -> Task:
    """Prepare ``linalg.cca``."""
    from pipeline import linalg

    x, y = _views(size)

    def run() -> "dict[str, NDArray[np.float64]]":
        return {"correlations": linalg.cca(x, y, size["components"], RIDGE).correlations}

    return Task(run, 1, work=lambda: work_of_products(size))


def cluster(size: WorkSize, folder: Path) -> Task:
    """Prepare ``linalg.cluster_cca``."""
    import numpy as np

    from pipeline import linalg

    x, y = _views(size)
    labels = np.arange(size["rows"]) % N_CLASSES
    return Task(
        lambda: {"correlations": linalg.cluster_cca(x, y, labels, labels, size["components"], 1e-3).correlations}, 1
    )


def cca_zoo(size: WorkSize, folder: Path) -> Task:
    """Prepare cca-zoo's ``CCA``."""
    import numpy as np
    from cca_zoo.linear import CCA

    views: list[Any] = [view.astype(np.float64) for view in _views(size)]  # cca-zoo, if it is there, asks for buffers

    def run() -> "dict[str, NDArray[np.float64]]":
        variates = CCA(size["components"]).fit_transform(views)
        return {"correlations": _correlations(*variates)}

    return Task(run, 1)


def scikit_learn(size: WorkSize, folder: Path) -> Task:
    """Prepare scikit-learn's ``CCA``, which is iterative."""
    from sklearn.cross_decomposition import CCA

    x, y = _views(size)

    def run() -> "dict[str, NDArray[np.float64]]":
        model = CCA(size["components"], max_iter=5000).fit(x, y)
        return {"correlations": _correlations(*model.transform(x, y))}

    return Task(run, 1)


def products(size: WorkSize, folder: Path) -> Task:
    """Prepare the products of both views with themselves and each other, in float64, from float32, block by block."""
    import numpy as np

    x, y = _views(size)

    def run() -> None:
        for start in range(0, len(x), 4096):
            left, right = (view[start : start + 4096].astype(np.float64) for view in (x, y))
            left.T @ left, right.T @ right, left.T @ right  # what they take is all that is asked

    return Task(run, 1, work=lambda: work_of_products(size))


def work_of_products(size: WorkSize) -> CountedWork:
    """Return what the three products take: of the symmetric two half, the views in float32 once, the outcomes once."""
    n_rows, x, y = size["rows"], size["x_width"], size["y_width"]
    operations = n_rows * (x * (x + 1) + y * (y + 1) + 2 * x * y)
    return CountedWork(operations, 4 * n_rows * (x + y) + 8 * (x * x + y * y + x * y), "float64")


def _correlations(x: "NDArray[np.float64]", y: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """How much the columns of variates (n, k) correlate: (k,)."""
    import numpy as np

    x, y = (view - view.mean(axis=0) for view in (x, y))
    return np.asarray((x * y).sum(axis=0) / np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0)))


def _views(size: WorkSize) -> "list[NDArray[np.float32]]":
    """Two views (n, width) float32 of something that they share, each under noise."""
    import numpy as np

    rng = np.random.default_rng(0)
    shared = rng.standard_normal((size["rows"], size["components"])) * np.linspace(3, 0.3, size["components"])
    return [
        (shared @ rng.standard_normal((size["components"], width)) / size["components"] ** 0.5
         + rng.standard_normal((size["rows"], width))).astype(np.float32)
        for width in (size["x_width"], size["y_width"])
    ]  # fmt: skip
