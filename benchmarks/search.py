"""How long a query of an index takes, at a thousand, a hundred thousand and a million rows, and how long changes take.

Rows are made: vectors around centres, of which every fifth lacks its sound. Beside each query stands the plain way, one
product of all vectors with the query in float32 and the ten largest, as NumPy does it: the floor of an exact way in
memory. Both ways take turns, round after round, so that whatever else the machine does meets both alike. Times are
medians of the clock, since LanceDB works in threads; a machine that is busy doubles them, and the ratio stays.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from pipeline.search.rows import IndexFacts, IndexRow

N_CENTRES, SPREAD = 500, 0.6
TOP = 10
N_ADDED = 5  # clips, one after the other
N_BUILT = 100_000  # rows of the build that is timed
ROWS_AT_A_TIME = 100_000


class Timed(NamedTuple):
    """One row of the table: what was done at which size, how long it took, and how long plain NumPy."""

    what: str
    n_rows: int
    seconds: float
    plain_seconds: float | None = None


def main() -> None:
    """Print the table."""
    arguments = _arguments()
    print(f"{arguments.width} wide, {arguments.rounds} rounds; CPU ({platform.machine()}), {os.cpu_count()} cores")
    print(f"load average of the minute before: {os.getloadavg()[0]:.2f}")
    timed: list[Timed] = []
    with tempfile.TemporaryDirectory() as folder:
        for n_rows in arguments.rows:
            timed += measure(f"{folder}/{n_rows}", n_rows, arguments.width, arguments.rounds, arguments.approximate)
        timed += changes(f"{folder}/changed", arguments.width)
    print(table(timed))


def measure(folder: str, n_rows: int, width: int, rounds: int, with_approximate: bool) -> list[Timed]:
    """Return how long loading and queries of an index of made rows take."""
    import numpy as np

    from pipeline.search.approximate import MOST_ROWS_EXACT, approximate
    from pipeline.search.index import Index, Probe

    centres, facts = made_centres(width), made_facts(width)
    write(folder, n_rows, centres, facts)
    index = Index.open(folder)
    queries = made_vectors(np.random.default_rng(1), centres, rounds + 1)
    load_seconds = seconds_of(lambda: index.query(queries[0], "visual", TOP, None))
    items, _ = index.snapshot.matrix("visual")
    ours, filtered, plain = [], [], []
    for query in queries[1:]:
        ours.append(seconds_of(partial(index.query, query, "visual", TOP, None)))
        filtered.append(seconds_of(partial(index.query, query, "visual", TOP, "label = 'c7'")))
        plain.append(seconds_of(partial(plain_query, items, query)))
    median = float(np.median(plain))
    found = [
        Timed("the first query, which reads the vectors", n_rows, load_seconds),
        Timed("query, exact", n_rows, float(np.median(ours)), median),
        Timed("query, exact, with a filter", n_rows, float(np.median(filtered)), median),
    ]
    if with_approximate and n_rows > MOST_ROWS_EXACT:
        print(*approximate(folder), sep="\n")
        again = Index.open(folder)
        again.compare([Probe(queries[0], "visual")], TOP)
        near = [seconds_of(partial(again.query, query, "visual", TOP, None)) for query in queries[1:]]
        found.append(Timed("query, approximate", n_rows, float(np.median(near)), median))
    return found


def changes(folder: str, width: int) -> list[Timed]:
    """Return how long building an index takes, and adding one clip to it, without embedding."""
    import numpy as np

    from pipeline.search.rows import to_table
    from pipeline.search.store import overwrite
    from pipeline.search.writing import add_rows

    facts, rows = made_facts(width), made_rows(N_BUILT + N_ADDED, made_centres(width))
    build_seconds = seconds_of(lambda: overwrite(folder, to_table(rows[:N_BUILT], facts)))
    add = [seconds_of(partial(add_rows, folder, facts, [row])) for row in rows[N_BUILT:]]
    return [
        Timed("build", N_BUILT, build_seconds),
        Timed("add of one clip, after it is embedded", N_BUILT, float(np.median(add))),
    ]


def plain_query(items: "NDArray[np.float32]", query: "NDArray[np.float64]") -> "NDArray[np.int64]":
    """Return the ten rows (10,) of items (n, k) with the largest products with a query (k,), by plain NumPy."""
    import numpy as np

    scores = items @ query.astype(np.float32)
    best = np.argpartition(scores, len(scores) - TOP)[-TOP:]
    return np.asarray(best[np.argsort(-scores[best])])


def made_facts(width: int) -> "IndexFacts":
    """Return the facts of an index of made rows."""
    from pipeline.search.rows import IndexFacts

    return IndexFacts(encoder="0" * 64, model="made", width=width, root="/videos")


def made_centres(width: int) -> "NDArray[np.float64]":
    """Return the centres (n_centres, width) that vectors lie around."""
    import numpy as np

    return np.random.default_rng(0).normal(size=(N_CENTRES, width))


def made_vectors(rng: "np.random.Generator", centres: "NDArray[np.float64]", n: int) -> "NDArray[np.float64]":
    """Return vectors (n, width) around centres (n_centres, width)."""
    import numpy as np

    return np.asarray(centres[rng.integers(0, len(centres), n)] + rng.normal(0, SPREAD, (n, centres.shape[1])))


def made_rows(n: int, centres: "NDArray[np.float64]") -> "list[IndexRow]":
    """Return rows with vectors around centres (n_centres, width)."""
    import numpy as np

    from pipeline.search.rows import IndexRow

    rng = np.random.default_rng(2)
    sides = [made_vectors(rng, centres, n).astype(np.float32) for _ in range(2)]
    places = [
        {"clip_id": f"{k:07}", "path": f"{k}.mp4", "sha256": f"{k:064x}", "label": f"c{k % 10}"} for k in range(n)
    ]
    return [
        IndexRow(root="/videos", start=0.0, end=10.0, split="train", audio=sides[0][k], visual=sides[1][k], **place)
        for k, place in enumerate(places)
    ]


def write(folder: str, n_rows: int, centres: "NDArray[np.float64]", facts: "IndexFacts") -> None:
    """Write an index of made rows, with centres (n_centres, width), some of them in memory at a time."""
    import numpy as np

    from pipeline.search.store import append, open_table, overwrite

    rng = np.random.default_rng(3)
    for start in range(0, n_rows, ROWS_AT_A_TIME):
        rows = made_table(rng, range(start, min(n_rows, start + ROWS_AT_A_TIME)), centres, facts)
        if start:
            append(open_table(folder), rows, folder)
        else:
            overwrite(folder, rows)


def made_table(
    rng: "np.random.Generator", numbers: range, centres: "NDArray[np.float64]", facts: "IndexFacts"
) -> "pa.Table":
    """Return rows as a table, without an object for each; centres are (n_centres, width)."""
    import numpy as np
    import pyarrow as pa

    from pipeline.retrieval.cosines import unit_rows
    from pipeline.search.rows import to_schema

    n = len(numbers)
    sides = [unit_rows(made_vectors(rng, centres, n)).astype(np.float32).ravel() for _ in range(2)]
    lacks_sound = pa.array(np.arange(n) % 5 == 4)
    columns = {
        "clip_id": [f"{k:07}" for k in numbers],
        "path": [f"{k}.mp4" for k in numbers],
        "root": ["/videos"] * n,
        "sha256": [f"{k:064x}" for k in numbers],
        "label": [f"c{k % 10}" for k in numbers],
        "split": ["train"] * n,
        "start": np.zeros(n),
        "end": np.full(n, 10.0),
        "audio": pa.FixedSizeListArray.from_arrays(pa.array(sides[0]), facts.width, mask=lacks_sound),
        "visual": pa.FixedSizeListArray.from_arrays(pa.array(sides[1]), facts.width),
        "encoder": [facts.encoder] * n,
        "model": [facts.model] * n,
    }
    return pa.table(columns, schema=to_schema(facts))


def seconds_of(run: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def table(timed: Sequence[Timed]) -> str:
    """Return a Markdown table."""
    lines = ["| what | rows | ms | plain NumPy, ms | ratio |", "|---|---:|---:|---:|---:|"]
    for what, n_rows, seconds, plain in timed:
        beside = ["", ""] if plain is None else [f"{plain * 1e3:.1f}", f"{seconds / plain:.1f}"]
        lines.append(f"| {what} | {n_rows:,} | {seconds * 1e3:.1f} | {' | '.join(beside)} |")
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 100_000, 1_000_000], help="default: 1e3 1e5 1e6")
    parser.add_argument("--width", type=int, default=64, help="of the vectors (default: 64)")
    parser.add_argument("--rounds", type=int, default=20, help="queries that are timed (default: 20)")
    parser.add_argument(
        "--approximate", action="store_true", help="the approximate search of large indexes too; it is made for minutes"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
