import pytest
import torch

from pipeline.errors import ParamsError
from pipeline.settings.device import chosen_device


def test_the_environment_names_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_DEVICE", "cpu")
    assert chosen_device() == torch.device("cpu")


def test_without_a_name_the_device_is_cuda_where_there_is_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_DEVICE", "")
    assert chosen_device().type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["abacus", "cuda:99", "meta"])
def test_a_device_that_this_machine_lacks_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_DEVICE", name)
    with pytest.raises(ParamsError, match=f"AVR_DEVICE='{name}': not a device of this machine; expected cpu, or cuda"):
        chosen_device()
