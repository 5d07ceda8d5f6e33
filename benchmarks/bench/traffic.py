"""How many operations work takes and how many bytes it moves, counted while torch does it; no clock is asked.

An addition and a multiplication are two operations. Bytes are counted as if nothing stayed in a cache between two
operations of torch: each reads its tensors once and writes its outcome once. So a network reads its weights once a
batch. Where a computation is made of few large products, the bytes are those that a row's function says.
"""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.bench.ways import CountedWork


def counted(run: Callable[[], object], n_items: float) -> CountedWork:
    """Return what an item takes, of a run of so many.

    >>> import torch
    >>> left, right = torch.ones(4, 8), torch.ones(8, 2)
    >>> counted(lambda: left @ right, 1)[:2]  # 2 x 4 x 8 x 2; (32 + 16 + 8) numbers of four bytes
    (128.0, 224.0)
    """
    with FlopCounterMode(display=False) as flops, Traffic() as traffic:
        run()
    return CountedWork(flops.get_total_flops() / n_items, traffic.n_bytes / n_items)


class Traffic(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's class has no types
    """Adds up the bytes of each operation's tensors; views, which move nothing, do not count.

    Attributes:
        n_bytes: so far.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # likewise
        self.n_bytes = 0

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: Sequence[type],
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """Run an operation, and count it."""
        outcome = func(*args, **(kwargs or {}))
        read, written = _tensors((args, kwargs)), _tensors(outcome)
        known = {tensor.untyped_storage().data_ptr() for tensor in read}
        is_view = all(tensor.untyped_storage().data_ptr() in known for tensor in written)
        if func._schema.is_mutable or not is_view:
            self.n_bytes += sum(map(_n_bytes, [*read, *written]))
        return outcome


def _tensors(values: object) -> list[Tensor]:
    """The tensors among arguments or outcomes, lists of them included."""
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _n_bytes(tensor: Tensor) -> int:
    """The bytes that a tensor has in memory; of one number that is repeated, that number's."""
    return min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())
