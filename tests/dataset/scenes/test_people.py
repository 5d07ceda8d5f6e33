import numpy as np

from pipeline.dataset.scenes.people import F0_HZ, make_person

PEOPLE = [make_person(np.random.default_rng(k)) for k in range(300)]


def test_faces_tell_of_voices_but_not_all() -> None:
    pitch = np.log([person.f0_hz for person in PEOPLE])
    assert 0.6 < np.corrcoef(pitch, [person.hue for person in PEOPLE])[0, 1] < 0.98
    tract = [person.tract for person in PEOPLE]
    assert 0.3 < np.corrcoef(tract, [person.breadth for person in PEOPLE])[0, 1] < 0.95
    assert -0.95 < np.corrcoef(tract, pitch)[0, 1] < -0.5


def test_what_is_a_nuisance_tells_nothing() -> None:
    pitch = [person.f0_hz for person in PEOPLE]
    for column in (
        [person.lightness for person in PEOPLE],
        *np.array([person.hair + person.lips for person in PEOPLE]).T,
    ):
        assert abs(np.corrcoef(pitch, column)[0, 1]) < 0.2


def test_voices_fill_the_range_and_overlap() -> None:
    pitch = np.array([person.f0_hz for person in PEOPLE])
    assert F0_HZ[0] <= pitch.min() < 105
    assert 210 < pitch.max() <= F0_HZ[1]
