"""The separator of the page: what is refused when the server starts, and where there is none."""

from pathlib import Path

import pytest
import yaml

from pipeline.encoder import Encoder
from pipeline.errors import DataError, ParamsError
from pipeline.search.index import Index
from pipeline.search.page.server import ServerOptions, run_server
from pipeline.search.page.tracks import compares_sources
from tests.helpers.apart import project_with
from tests.helpers.served import page_client
from tests.helpers.yaml_text import read_yaml


def start(index: Index, encoder: Encoder, task: Path) -> None:
    run_server(ServerOptions(index.folder, encoder.folder, "127.0.0.1", 0, None, [], 1, task))


def test_a_separator_that_is_not_trained_is_refused(index: Index, encoder: Encoder, tmp_path: Path) -> None:
    task = project_with(tmp_path) / "separation/speech"
    (task / "data/separators/visualvoice/seed-0.safetensors").unlink()
    with pytest.raises(DataError, match=r"separators/visualvoice: no seed-N\.safetensors; expected a folder that"):
        start(index, encoder, task)


def test_a_folder_that_is_no_task_is_refused(index: Index, encoder: Encoder, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"opera/params\.yaml: No such file"):
        start(index, encoder, tmp_path / "opera")


def test_a_separator_that_sees_nothing_is_refused(index: Index, encoder: Encoder, tmp_path: Path) -> None:
    task = project_with(tmp_path, "audio_only") / "separation/speech"
    params = read_yaml((task / "params.yaml").read_text())
    params["separators"] = {"audio_only": "audio_only"}
    (task / "params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(ParamsError, match="separator 'audio_only' sees nothing; expected a task with a separator that"):
        start(index, encoder, task)


def test_only_that_of_instruments_compares_sources(tmp_path: Path) -> None:
    assert not compares_sources(project_with(tmp_path) / "separation/speech")
    assert compares_sources(project_with(tmp_path, "amnet", "music") / "separation/music")


def test_without_a_separator_the_page_has_no_control_and_a_track_is_refused(
    index: Index, encoder: Encoder, tmp_path: Path
) -> None:
    client = page_client(index, encoder, tmp_path / "uploads")
    assert 'id="track"' not in client.get("/").text
    done = client.post("/api/search", params={"track": "0,0,1,1"}, content=b"a film")
    assert done.status_code == 422
    said = "track=0,0,1,1: there is no separator; expected a server with --separation"
    assert done.json() == {"error": said}
    assert list((tmp_path / "uploads").iterdir()) == []
