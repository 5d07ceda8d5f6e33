"""Operations and bytes against arithmetic, and points under a made roof."""

import doctest

import pytest
import torch
from torch import nn

from benchmarks.bench import correlation, page, retrieval, roofline, traffic
from benchmarks.bench.results import ItemWork, MeasuredRow, Measurement, Roof, spread

ROOF = Roof(float32=spread([80.0, 100.0]), float64=spread([50.0]), triad=spread([10.0]))


def test_the_example_of_a_product_holds() -> None:
    assert doctest.testmod(traffic) == (0, 3)


def test_a_convolution_reads_its_picture_and_weights_and_writes_its_maps_once() -> None:
    layer, picture = nn.Conv2d(3, 8, 3, padding=1, bias=False), torch.ones(2, 3, 10, 10)
    with torch.inference_mode():
        work = traffic.counted(lambda: layer(picture), 2)
    assert work.operations == 2 * 8 * 100 * 3 * 9
    assert work.n_bytes == 4 * (600 + 8 * 3 * 9 + 1600) / 2


def test_views_move_nothing_and_a_repeated_number_is_read_once() -> None:
    rows = torch.ones(4, 6)
    assert traffic.counted(lambda: rows.T[1:].reshape(-1, 2, 2)[0].view(4), 1).n_bytes == 0
    assert traffic.counted(lambda: torch.ones(1).expand(1000), 1).n_bytes == 4
    assert traffic.counted(lambda: rows + torch.ones(()).expand(4, 6), 1).n_bytes == 4 * (24 + 1 + 24) + 4


def test_what_is_changed_in_place_is_read_and_written() -> None:
    rows = torch.ones(4, 6)
    assert traffic.counted(lambda: rows.relu_(), 1).n_bytes == 2 * 4 * 24


def test_gradients_count() -> None:
    weights, rows = torch.ones(8, 4, requires_grad=True), torch.ones(2, 8)
    assert traffic.counted(lambda: (rows @ weights).sum().backward(), 1).operations == 2 * (2 * 2 * 8 * 4)


def test_products_of_features_and_cosines_by_hand() -> None:
    work = correlation.work_of_products({"rows": 10, "x_width": 3, "y_width": 2})
    assert work == (10 * (12 + 6 + 12), 4 * 50 + 8 * 19, "float64")
    assert retrieval.work_of_product(100) == (2 * 64 * 100, 8 * (64 + 100 + 100), "float64")


def test_the_roof_is_memory_where_little_is_computed_and_arithmetic_where_much_is() -> None:
    found = [roofline.limit_at(intensity, "float64", ROOF) for intensity in (0.5, 5, 50)]
    assert (found, roofline.limit_at(50, "float32", ROOF)) == ([5, 50, 50], 100)


def measurement(roof: Roof | None) -> Measurement:
    """A network that does 2 x 10^9 operations on 10^8 bytes in 40 ms."""
    row = MeasuredRow(
        name="vggish", group="networks", what="VGGish, an example", unit="ms", size={}, revision="r", rounds=1,
        ours=40.0, milliseconds={"ours": 40.0}, beside=(),
        work={"ours": ItemWork(operations=2e9, n_bytes=1e8, precision="float32")},
    )  # fmt: skip
    return Measurement(processor="p", date="2026-01-01", before=None, versions={}, rows=(row,), roof=roof)


def test_a_point_has_its_speed_and_the_roof_above_it() -> None:
    (point,) = roofline.points(measurement(ROOF))
    assert (point.intensity, point.roof) == (20, 100)
    assert point.gflops == pytest.approx(50)
    assert page.under_roof(measurement(ROOF)) == [
        ["VGGish, an example: ours", "2,000", "100", "20", "50", "50 % of 100"]
    ]


def test_a_measurement_without_a_roof_has_no_points_and_the_page_says_so() -> None:
    assert roofline.points(measurement(None)) == []
    text = page.rendered({"some kind": measurement(None)})
    assert "at the end: not measured." in text
    assert "performance_roofline.svg" not in text
    assert "performance_roofline.svg" in page.rendered({"some kind": measurement(ROOF)})
