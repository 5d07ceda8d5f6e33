"""The layers of VGGish as its publishers call them."""

# VGGish: the name of a layer in TensorFlow and in torchvggish, and the shape of its weights in torch.
VGGISH_LAYERS: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("conv1", "features.0", (64, 1, 3, 3)),
    ("conv2", "features.3", (128, 64, 3, 3)),
    ("conv3/conv3_1", "features.6", (256, 128, 3, 3)),
    ("conv3/conv3_2", "features.8", (256, 256, 3, 3)),
    ("conv4/conv4_1", "features.11", (512, 256, 3, 3)),
    ("conv4/conv4_2", "features.13", (512, 512, 3, 3)),
    ("fc1/fc1_1", "embeddings.0", (4096, 12288)),
    ("fc1/fc1_2", "embeddings.2", (4096, 4096)),
    ("fc2", "embeddings.4", (128, 4096)),
)
