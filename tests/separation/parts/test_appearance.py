import torch

from pipeline.separation.parts.appearance import Appearance, HeardMaps, SeenKinds
from pipeline.separation.parts.trunks import count_weights


def test_the_published_picture_network_is_dilated_in_its_last_layers() -> None:
    with torch.no_grad(), torch.device("meta"):  # shapes without numbers
        net = SeenKinds("published", 21).eval()
        assert net.maps(torch.zeros(1, 3, 224, 224)).shape == (1, 21, 14, 14)
    resnet_without_classes = 11_689_512 - 512 * 1000 - 1000
    assert count_weights(net) == resnet_without_classes + 512 * 21 * 9 + 21


def test_the_published_sound_network_has_the_published_shapes() -> None:
    with torch.no_grad(), torch.device("meta"):
        net = HeardMaps("published", 21, 64, 256).eval()
        low = net.layers.low(torch.zeros(1, 1, 256, 256))  # type: ignore[operator]  # a Sequential, by its maker
        assert low.shape == (1, 24, 64, 64)
        assert net.layers.high(low).shape == (1, 320, 16, 16)  # type: ignore[operator]  # a Sequential, by its maker
        assert net(torch.zeros(1, 1, 256, 256)).shape == (1, 21, 256, 256)


def test_a_logit_is_the_sum_of_maps_times_what_the_picture_shows() -> None:
    stage = Appearance("small", 5, 4, 16).eval()
    spectrum, pictures = torch.randn(2, 16, 8), torch.randn(2, 3, 3, 16, 16)
    with torch.no_grad():
        logits, maps = stage(spectrum, pictures), stage.heard(spectrum[:, None])
        assert logits.shape == (2, 3, 16, 8)
        for b in range(2):
            for s in range(3):
                (shown,) = stage.seen(pictures[b, s][None])
                assert ((shown >= 0) & (shown <= 1)).all()
                expected = torch.stack([shown[k] * maps[b, k] for k in range(5)]).sum(dim=0)
                torch.testing.assert_close(logits[b, s], expected, atol=1e-5, rtol=1e-4)


def test_the_loss_reaches_both_networks() -> None:
    stage = Appearance("small", 5, 4, 16)
    stage(torch.randn(2, 16, 8), torch.randn(2, 2, 3, 16, 16)).square().sum().backward()
    assert all(weights.grad is not None for weights in stage.parameters())
