"""YAMNet: one vector of 1024 numbers for each log-mel example of 0.96 s."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pipeline.errors import DataError
from pipeline.formats.shards import Rows
from pipeline.networks.yamnet.about import EXAMPLE_SHAPE, LOG_OFFSET, YamnetParams
from pipeline.networks.yamnet.published import ConvSize, conv_sizes

BATCH_SIZES = {"cpu": 32, "cuda": 512}
TRAINED_LOG_OFFSET = 0.001
NORM_EPSILON = 1e-4


class ConvUnit(nn.Module):
    """A convolution with TensorFlow's padding ``same``, its batch normalisation, and a ReLU."""

    def __init__(self, size: ConvSize) -> None:
        super().__init__()
        self.is_halving = size.stride == 2
        groups = size.n_in if size.is_depthwise else 1
        padding = 0 if self.is_halving else size.side // 2
        self.conv = nn.Conv2d(size.n_in, size.n_out, size.side, size.stride, padding, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(size.n_out, eps=NORM_EPSILON)

    def convolved(self, maps: Tensor) -> Tensor:
        """Return what the normalisation reads of maps (n, channels, times, bands), both of even length if halved."""
        convolved: Tensor = self.conv(pad(maps, (0, 1, 0, 1)) if self.is_halving else maps)  # zeros at the ends alone
        return convolved

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps (n, filters, times, bands)."""
        return relu(self.norm(self.convolved(maps)))


class Yamnet(nn.Module):
    """YAMNet up to the mean over its last maps: MobileNet's convolutions, trained on the sounds of AudioSet.

    References:
        Howard et al. (2017), MobileNets: efficient convolutional neural networks for mobile vision applications,
        arXiv:1704.04861; Gemmeke et al. (2017), Audio Set: an ontology and human-labeled dataset for audio events,
        ICASSP. Layers and sizes are those of research/audioset/yamnet in tensorflow/models.
    """

    def __init__(self) -> None:
        super().__init__()
        self.units = nn.Sequential(*map(ConvUnit, conv_sizes()))

    def forward(self, examples: Tensor) -> Tensor:
        """Return one embedding a log-mel example.

        Args:
            examples: (n, 96, 64) float32 log-mel magnitudes as VGGish takes them, time before bands.

        Returns:
            (n, 1024) float32, not negative.

        Raises:
            DataError: the examples are of another shape.
        """
        if examples.shape[1:] != EXAMPLE_SHAPE:
            raise DataError(f"YAMNet: examples of shape {tuple(examples.shape)}; expected (n, *{EXAMPLE_SHAPE})")
        images = with_yamnets_offset(examples).unsqueeze(1).contiguous(memory_format=torch.channels_last)
        embeddings: Tensor = self.units(images).mean(dim=(2, 3))  # of (n, 1024, 3, 2)
        return embeddings


def with_yamnets_offset(examples: Tensor) -> Tensor:
    """Return log(magnitude + 0.001) of log(magnitude + 0.01), float32 of any shape."""
    magnitudes = (examples.exp() - LOG_OFFSET).clamp(min=0)
    return (magnitudes + TRAINED_LOG_OFFSET).log()


def build(state: dict[str, Tensor], params: YamnetParams) -> Yamnet:
    """Return the network with these weights, ready for inference, its normalisations folded into the convolutions.

    Args:
        state: the weights by name.
        params: section ``yamnet``, which leaves nothing to choose.
    """
    with torch.device("meta"):
        network = Yamnet()
    network.load_state_dict(state, assign=True)
    network.eval()
    for unit in network.units:
        if isinstance(unit, ConvUnit) and isinstance(unit.norm, nn.BatchNorm2d):
            unit.conv, unit.norm = fuse_conv_bn_eval(unit.conv, unit.norm), nn.Identity()
    network.requires_grad_(False)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing from torch's stub
    return network


def rows_of(arrays: Mapping[str, Rows]) -> Rows:
    """Return the examples (n, 96, 64) float32 among what the stage ``logmel`` keeps of a clip."""
    return arrays["examples"]


def postprocessing(params: YamnetParams) -> None:
    """Return None: vectors stay as they are."""
