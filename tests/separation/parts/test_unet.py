import torch
from torch import Tensor

from pipeline.separation.parts.trunks import count_weights
from pipeline.separation.parts.unet import UNet, visualvoice_steps

with torch.device("meta"):  # shapes without numbers
    PUBLISHED = UNet(2, 2, visualvoice_steps(64, 256), 512 + 640).eval()


def test_the_published_net_has_the_published_number_of_weights() -> None:
    assert abs(count_weights(PUBLISHED) / 46.1e6 - 1) < 0.01


def test_the_published_net_has_the_published_sizes_layer_by_layer() -> None:
    with torch.no_grad(), torch.device("meta"):
        levels = PUBLISHED.down(torch.zeros(1, 2, 256, 256))
    assert [tuple(level.shape[1:]) for level in levels] == [
        (64, 128, 128),
        (128, 64, 64),
        (256, 32, 64),
        (512, 16, 64),
        (512, 8, 64),
        (512, 4, 64),
        (512, 2, 64),
        (512, 1, 64),
    ]
    sizes = []
    for step in PUBLISHED.ups:
        step.register_forward_hook(lambda _, given, made: sizes.append((given[0].shape[1], *made.shape[1:])))
    with torch.no_grad(), torch.device("meta"):
        PUBLISHED(torch.zeros(1, 2, 256, 256), lambda deepest: torch.cat([torch.zeros(1, 640, 1, 64), deepest], dim=1))
    assert sizes == [
        (1152, 512, 2, 64),
        (1024, 512, 4, 64),
        (1024, 512, 8, 64),
        (1024, 512, 16, 64),
        (1024, 256, 32, 64),
        (512, 128, 64, 64),
        (256, 64, 128, 128),
        (128, 2, 256, 256),
    ]


def test_what_is_put_at_the_bottom_reaches_the_output_and_the_way_down_does_not_see_it() -> None:
    net = UNet(2, 2, visualvoice_steps(4, 32), 32 + 3)
    seen = torch.zeros(1, 3, 1, 4, requires_grad=True)

    def at_bottom(deepest: Tensor) -> Tensor:
        return torch.cat([seen, deepest], dim=1)

    net(torch.randn(1, 2, 32, 16), at_bottom).square().sum().backward()
    assert seen.grad is not None
    assert seen.grad.abs().sum() > 0


def test_every_weight_learns() -> None:
    net = UNet(2, 4, visualvoice_steps(4, 32))
    net(torch.randn(2, 2, 32, 16)).square().sum().backward()
    assert all(weights.grad is not None and weights.grad.abs().sum() > 0 for weights in net.parameters())
