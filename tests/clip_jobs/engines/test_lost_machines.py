"""The engine `ray` where machines are lost in the middle: pretended ones, and raylets of this machine."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray import exceptions
from ray.core.generated.common_pb2 import ActorDiedErrorContext

from pipeline.clip_jobs.engines.base import Stopped, do_nothing
from pipeline.clip_jobs.engines.ray_cluster import _Actors
from tests.helpers.clip_folder import Folder
from tests.helpers.moto_store import moto_store, objects
from tests.helpers.pretended_ray import Ends, PretendedRay

OUT_OF_REACH = exceptions.ActorUnavailableError("The actor is temporarily unavailable: Socket closed", b"0" * 16)
NO_MEMORY = exceptions.OutOfMemoryError("Task was killed due to the node running low on memory.")
NODE_DIED, CRASHED, NO_MEMORY_EITHER = (
    exceptions.ActorDiedError(ActorDiedErrorContext(error_message=said, actor_id=b"0" * 16))
    for said in (
        "The actor died because its node has died. Node Id: 1234",
        "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR; isolate resources to "
        "prevent node deaths by resource contention and loss of progress by uninformed kernel OOM killing.",
        "The actor died because its worker was killed due to the node running low on memory.",
    )
)


def answers(ray: Any, items: list[str]) -> dict[str, object]:  # noqa: ANN401 - in place of a module
    return dict(_Actors(ray, (str.upper, do_nothing), items, 60.0).run(2))


def ends(of_item: str, *errors: Exception) -> Ends:
    """The first tries of one item end so, all others answer."""
    return lambda item, number: errors[number - 1] if item == of_item and number <= len(errors) else None


@pytest.mark.parametrize("error", [OUT_OF_REACH, NODE_DIED, NO_MEMORY, NO_MEMORY_EITHER])
def test_what_a_lost_machine_worked_on_is_computed_elsewhere(error: Exception) -> None:
    ray = PretendedRay(ends("c", error, error))
    assert answers(ray, list("abcde")) == {word: word.upper() for word in "abcde"}
    assert (ray.given.count("c"), len(ray.given)) == (3, 7)
    assert ray.n_started == 2 + 2  # a new one for each that is gone
    assert ray.n_killed == ray.n_started  # none holds its place when there is nothing left to do


@pytest.mark.parametrize(("error", "kind"), [(NODE_DIED, "lost"), (OUT_OF_REACH, "lost"), (NO_MEMORY, "out_of_memory")])
def test_a_clip_is_not_tried_without_end_and_costs_no_other(error: Exception, kind: str) -> None:
    ray = PretendedRay(ends("c", *[error] * 100))
    found = answers(ray, list("abcde"))
    stopped = found.pop("c")
    assert isinstance(stopped, Stopped)
    assert stopped.kind == kind
    assert ray.given.count("c") == 3
    assert found == {word: word.upper() for word in "abde"}


def test_a_clip_that_crashes_its_process_is_tried_once() -> None:
    ray = PretendedRay(ends("c", CRASHED))
    assert answers(ray, list("abcde"))["c"] == Stopped("crashed", "its process ended")
    assert ray.given.count("c") == 1


def test_machines_that_are_lost_while_actors_start_cost_nothing() -> None:
    ray = PretendedRay(ends(""), [NODE_DIED, None, OUT_OF_REACH, NODE_DIED])
    assert answers(ray, list("abc")) == {"a": "A", "b": "B", "c": "C"}


def test_actors_that_never_start_stop_the_run() -> None:
    with pytest.raises(exceptions.ActorDiedError):
        answers(PretendedRay(ends(""), [CRASHED]), ["a"])
    with pytest.raises(exceptions.ActorDiedError):
        answers(PretendedRay(ends(""), [NODE_DIED] * 200), ["a"])


def test_items_are_taken_as_actors_become_free() -> None:
    taken = 0

    def items() -> Iterator[str]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield str(number)

    run = _Actors(PretendedRay(ends("")), (str.upper, do_nothing), items(), 60.0).run(2)
    for number in range(100):
        next(run)
        assert taken <= number + 2 + 2


def test_an_actor_takes_the_gpus_that_are_asked_for() -> None:
    ray = PretendedRay(ends(""))
    assert list(_Actors(ray, (str.upper, do_nothing), ["a"], 60.0, 1).run(1)) == [("a", "A")]
    assert ray.asked_for == {"num_cpus": 1, "num_gpus": 1, "max_restarts": 0}


@pytest.mark.slow
def test_a_node_that_is_lost_loses_no_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "200")  # a busy machine takes longer than Ray expects
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    naps = {f"{number}.mp4": b"nap " + bytes([65 + number]) for number in range(7)}
    contents = {**naps, "b.mp4": b"bad", "c.mp4": b"segfault"}
    with moto_store() as url:
        folder = Folder(tmp_path, contents, f"{url}/cache")
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        try:
            monkeypatch.setenv("RAY_ADDRESS", cluster.address)
            monkeypatch.setenv("AVR_ENGINE", "ray")
            monkeypatch.setenv("AVR_WORKERS", "3")
            losing = threading.Thread(target=_lose_one_in_its_work, args=(folder, cluster, nodes[0]))
            losing.start()
            sizes = folder.run()
            losing.join()
        finally:
            cluster.shutdown()
        asked = folder.asked()
        assert sizes == {name: len(data) for name, data in naps.items()}
        assert folder.kinds() == {"b.mp4": "no_audio", "c.mp4": "crashed"}
        assert sorted(set(asked)) == sorted(contents)
        assert len([name for name in asked if name in naps]) == len(naps) + 1  # the one that the lost node was at
        assert len(objects()) == len(contents)
        monkeypatch.setenv("AVR_ENGINE", "processes")
        before = folder.out_bytes()
        folder.run()
        assert folder.asked() == []  # all entries are whole
        assert folder.out_bytes() == before


def _lose_one_in_its_work(folder: Folder, cluster: Any, node: Any) -> None:  # noqa: ANN401 - of Ray
    """Take a node away, as a machine without power is, once each of the three actors has begun a clip."""
    deadline = time.monotonic() + 200
    while len({line.split()[1] for line in folder.log.read_text().splitlines()}) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    cluster.remove_node(node, allow_graceful=False)
