"""A GPU in pretence: tensors that say they lie on CUDA and refuse what CUDA refuses, their numbers in main memory.

Every operator is looked at before the CPU computes it. So code that mixes devices, or takes a GPU's tensor for a NumPy
array, fails on any machine as it would on a GPU. Speed, CUDA's own rounding and CUDA's own errors are not pretended.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

CPU, GPU, META = torch.device("cpu"), torch.device("cuda:0"), torch.device("meta")
ATEN = torch.ops.aten
MOVES = {ATEN._to_copy.default, ATEN.copy_.default}
INDEXING = {
    ATEN.index.Tensor,
    ATEN.index_put.default,
    ATEN.index_put_.default,
}  # CUDA takes indices of the CPU


class GpuTensor(Tensor):
    """A tensor of ``cuda:0``.

    Attributes:
        numbers: the same on the CPU.
    """

    numbers: Tensor

    def __new__(cls, numbers: Tensor) -> Self:
        """Give CPU numbers the look of a GPU's: what torch sees in C++ has their shape, and no values."""
        numbers = numbers.resolve_conj().resolve_neg()
        with torch.inference_mode(numbers.is_inference()):
            outside = torch.empty_strided(numbers.shape, numbers.stride(), dtype=numbers.dtype, device=META)
            words = {"dispatch_device": True, "device_for_backend_keys": GPU}
            made: Self = cls._make_subclass(cls, outside, numbers.requires_grad, **words)
        made.numbers = numbers
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]  # an attribute of other tensors
        return GPU

    def __getitem__(self, places: Any) -> Tensor:  # noqa: ANN401 - whatever an index can be
        """Take lists of places as tensors: what torch made of them in C++ would have no values."""
        each = places if isinstance(places, tuple) else (places,)
        return super().__getitem__(tuple(torch.tensor(p) if isinstance(p, list | tuple | range) else p for p in each))

    def __repr__(self) -> str:
        return f"GpuTensor({self.numbers})"

    @classmethod
    def __torch_dispatch__(cls, operator: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401 - torch's own
        return Operators(META).__torch_dispatch__(operator, _, args, kwargs)


class Operators(TorchDispatchMode):
    """All operators of a block, those too that make a tensor out of none."""

    def __init__(self, told: torch.device) -> None:
        """Take the device that torch is told in C++, where it would ask CUDA itself."""
        super().__init__()
        self.told = told

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Whether torch's compiler is kept out, for which it would first be imported."""
        return False

    def __torch_dispatch__(self, operator: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401 - torch's own
        kwargs = kwargs or {}
        if operator is torch.ops.prim.device.default:
            return self.told
        if operator._can_decompose() and operator is not ATEN.detach.default:
            with self:
                return operator.decompose(*args, **kwargs)
        return computed(operator, args, kwargs)


def computed(operator: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:  # noqa: ANN401 - torch's own
    """What an operator returns, computed on the CPU, on the device where CUDA would have it."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    on_gpu = [tensor for tensor in tensors if isinstance(tensor, GpuTensor)]
    check_devices(operator, tensors, on_gpu)
    asked = kwargs.get("device")
    plain = {**kwargs, "device": CPU} if asked is not None else dict(kwargs)
    plain.pop("pin_memory", None)
    answer = operator(*tree_map(numbers_of, args), **tree_map(numbers_of, plain))
    if on_gpu and torch.Tag.inplace_view in operator.tags:
        with torch._C._DisableTorchDispatch():
            operator(*args, **kwargs)  # what is seen has the new shape too
    returns = operator._schema.returns
    if returns and returns[0].alias_info is not None and returns[0].alias_info.is_write:
        return args[0]  # changed in place
    goes_to_gpu = bool(on_gpu) if asked is None else torch.device(asked) != CPU
    return tree_map(lambda leaf: GpuTensor(leaf) if goes_to_gpu and isinstance(leaf, Tensor) else leaf, answer)


def check_devices(operator: Any, tensors: list[Tensor], on_gpu: list[GpuTensor]) -> None:  # noqa: ANN401 - torch's own
    """Refuse tensors of both devices; those of the CPU without dimensions may be anywhere."""
    on_cpu = [tensor for tensor in tensors if not isinstance(tensor, GpuTensor) and tensor.dim()]
    if any(tensor.is_meta for tensor in on_cpu):
        raise NotImplementedError(f"{operator}: a tensor that torch made in C++, where nothing is pretended")
    if on_gpu and on_cpu and operator not in MOVES | INDEXING:
        raise RuntimeError(f"{operator}: expected all tensors to be on the same device, found cuda:0 and cpu")


def made_and_moved(make: Callable[..., Tensor], data: object, device: Any = None, **words: Any) -> Tensor:  # noqa: ANN401 - torch's own
    """What ``torch.tensor`` makes, which would ask CUDA itself if it were told the device."""
    made = make(data, **words)
    return made if device is None else made.to(device)


def numbers_of(leaf: Any) -> Any:  # noqa: ANN401 - any argument
    return leaf.numbers if isinstance(leaf, GpuTensor) else leaf


@contextmanager
def pretended_gpu(*, autocast: bool = False) -> Iterator[None]:
    """Run the block as on a machine with one GPU, which $AVR_DEVICE names by its number.

    Args:
        autocast: whether torch may see the GPU where it asks for it in C++: autocast does nothing otherwise, while
            gradients and copies would ask CUDA itself.
    """
    overwrites = torch.__future__.get_overwrite_module_params_on_conversion()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AVR_DEVICE", "cuda:0")
        for module in (torch.cuda, torch.cuda.random):
            patch.setattr(module, "_lazy_init", lambda: None)
        patch.setattr(torch.cuda, "is_available", lambda: True)
        patch.setattr(torch.cuda, "device_count", lambda: 1)
        patch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
        patch.setattr(torch.cuda, "get_device_name", lambda _: "in pretence")
        patch.setattr(torch.cuda, "default_generators", (torch.Generator(),))
        patch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
        patch.setattr(torch, "tensor", partial(made_and_moved, torch.tensor))
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        try:
            with Operators(GPU if autocast else META):
                yield
        finally:
            torch.__future__.set_overwrite_module_params_on_conversion(overwrites)
