"""An index in an object store: what LanceDB does there, asked of a stand-in for S3 that keeps its objects in memory."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.search.approximate import approximate
from pipeline.search.index import Index
from pipeline.search.query import Searcher
from pipeline.search.rows import to_table
from pipeline.search.store import in_short, overwrite
from pipeline.search.writing import add_rows, build_index, optimise, remove_clips, remove_rows
from tests.helpers.s3_server import BUCKET, Store, s3_server
from tests.helpers.search_run import SearchRun, facts_for, random_rows

pytestmark = pytest.mark.usefixtures("_elsewhere")
URI = f"s3://{BUCKET}/some/index"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with s3_server() as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


def clip_ids(index: Index) -> list[str]:
    return sorted(index.snapshot.texts["clip_id"].to_pylist())


def test_a_run_is_indexed_and_asked_there_as_in_a_folder(store: Store, finished: SearchRun, tmp_path: Path) -> None:
    encoder = finished.encoder()
    places = (URI, str(tmp_path / "index"))
    built = [build_index(encoder, finished.data, place) for place in places]
    assert built[0] == built[1]
    assert approximate(URI) == []
    answers = [
        Searcher(Index.open(place), encoder).search("clip:clip 1", top=5, where="split <> 'test'").results
        for place in places
    ]
    assert answers[0] == answers[1]
    assert len(answers[0]) == 5
    assert list(tmp_path.glob("s3*")) == []  # the URI is no folder
    assert all(key.startswith("some/index/") for key in store.objects)


def test_rows_come_and_go_and_an_open_index_sees_it(store: Store) -> None:
    rows = random_rows(20)
    overwrite(URI, to_table(rows[:10], facts_for()))
    index = Index.open(URI)
    assert len(add_rows(URI, facts_for(), rows[5:])) == 10  # five were there
    assert clip_ids(index) == [row.clip_id for row in rows]
    assert remove_clips(URI, [rows[0].clip_id]) == 1
    assert remove_rows(URI, "label = 'Dog'") == 9
    optimise(URI)
    assert clip_ids(index) == [row.clip_id for row in rows[1::2]]
    overwrite(URI, to_table(rows[:3], facts_for()))
    assert clip_ids(index) == [row.clip_id for row in rows[:3]]
    assert store.n_late == 0


def test_of_writers_at_a_time_none_loses_a_row(store: Store) -> None:
    """No lock file holds there: the store refuses a version that it has already, and LanceDB takes the next."""
    rows = random_rows(40)
    overwrite(URI, to_table(rows[:8], facts_for()))
    parts = [rows[8 + 8 * k : 16 + 8 * k] for k in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda part: add_rows(URI, facts_for(), part), parts))
    assert clip_ids(Index.open(URI)) == [row.clip_id for row in rows]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (f"s3://{BUCKET}/nothing", "Table 'clips' was not found; expected an index in a store that answers: AWS_"),
        ("nothing://a/index", "No object store provider found for scheme: 'nothing'; expected an index in a store"),
    ],
)
def test_a_place_without_an_index_is_named(store: Store, place: str, said: str) -> None:
    with pytest.raises(DataError, match=f"^{place}: .*{said}"):
        Index.open(place)
    assert store.objects == {}


def test_a_bucket_that_is_not_there_is_named(store: Store) -> None:
    said = (
        "^s3://nowhere/index: Failed to connect to namespace: The specified bucket does not exist; expected an index in"
    )
    with pytest.raises(DataError, match=said) as caught:
        overwrite("s3://nowhere/index", to_table(random_rows(1), facts_for()))
    assert len(str(caught.value)) < 400
    assert store.objects == {}


def test_of_a_store_that_does_not_answer_the_reason_is_said() -> None:
    said = (  # by LanceDB 0.40, after five seconds of trying again
        'Invalid input, Failed to connect to namespace: IO { source: Generic { store: "S3", source: ListRequest { '
        "source: RetryError(RetryErrorImpl { method: GET, uri: Some(http://127.0.0.1:9/bucket), retries: 3, inner: "
        'Http(HttpError { kind: Connect, source: Os { code: 111, message: "Connection refused" } }) }) } }, location: '
        'Location { file: "lance-io-13.0.0/src/object_store.rs", line: 1506, column: 92 } }'
    )
    assert in_short(ValueError(said)) == "Failed to connect to namespace: Connection refused"
    said = (
        'Failed to connect to namespace: IO { source: IO { source: "Failed to get AWS credentials: Error(Error { raw: '
    )
    assert in_short(ValueError(said)) == "Failed to connect to namespace: Failed to get AWS credentials"
