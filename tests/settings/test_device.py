import os

import pytest
import torch

from pipeline.errors import ParamsError
from pipeline.settings.device import chosen_device, device_in_words


def test_the_environment_names_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVICE", "cpu")
    assert chosen_device() == torch.device("cpu")


def test_without_a_name_the_device_is_cuda_where_there_is_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVICE", "")
    assert chosen_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["abacus", "cuda:99", "meta"])
def test_a_device_that_this_machine_lacks_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVICE", name)
    with pytest.raises(ParamsError, match=f"DEVICE='{name}': not a device of this machine; expected cpu, or cuda"):
        chosen_device()


def test_a_processor_is_called_by_its_kind() -> None:
    assert device_in_words(torch.device("cpu")) == "cpu"


@pytest.mark.gpu
@pytest.mark.skipif(
    not torch.cuda.is_available() and os.environ.get("FAIL_WITHOUT_GPU") != "1", reason="needs a CUDA device"
)
def test_a_gpu_is_called_by_its_number_and_name() -> None:
    name = torch.cuda.get_device_name()
    assert device_in_words(torch.device("cuda")) == device_in_words(torch.device("cuda:0")) == f"cuda:0 ({name})"
