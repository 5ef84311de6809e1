"""The organs (template frame, see thorax): heart, great vessels, oesophagus and what lies under the diaphragm."""

from __future__ import annotations

from ..shapes import Ellipsoid, Solid, Tube, tubes

_LONG_AXIS = ((0.741, -0.480, -0.470), (-0.544, -0.839, 0.0), (-0.394, 0.256, -0.883))  # heart: left, forward, down

ASCENDING_AORTA: list[Tube] = tubes([(-2, -20, -42), (-12, -26, -22), (-16, -26, 4), (-10, -17, 25)], [14, 16, 15, 14])
DESCENDING_AORTA: list[Tube] = tubes(
    [(-10, -17, 25), (4, 4, 36), (18, 26, 29), (23, 37, 8), (23, 39, -20), (20, 38, -90), (7, 28, -190), (4, 24, -280)],
    [14, 13.5, 12.5, 12, 12, 11.5, 10, 9],
)
ARCH_BRANCHES: list[Tube] = [
    *tubes([(-8, -12, 34), (-14, -12, 62), (-24, -8, 90), (-30, -4, 140)], [6.5, 6, 5, 4]),
    *tubes([(-20, -10, 78), (-48, -2, 98), (-95, -8, 104)], [4.5, 4.2, 4]),
    *tubes([(4, -2, 38), (12, -6, 70), (22, -4, 140)], [4.5, 4, 4]),
    *tubes([(14, 12, 36), (20, 12, 66), (40, 4, 96), (95, -6, 104)], [5, 4.8, 4.5, 4]),
]
VEINS_ABOVE: list[Tube] = [
    *tubes([(-26, -16, -34), (-25, -16, 10), (-21, -18, 48)], [10, 9, 8.5]),
    *tubes([(-21, -18, 48), (-26, -16, 76), (-50, -18, 100), (-110, -22, 106)], [7.5, 7, 6.5, 6]),
    *tubes([(-21, -18, 48), (0, -34, 54), (22, -30, 68), (52, -22, 98), (110, -24, 106)], [7, 6.5, 6.5, 6.5, 6]),
    *tubes([(-5, 38, -190), (-7, 36, -20), (-10, 34, 6), (-20, 16, 14), (-25, -8, 10)], [3, 4, 4, 4, 4]),  # azygos
]
INFERIOR_CAVA: list[Tube] = tubes([(-26, -14, -72), (-26, 6, -110), (-26, 14, -190), (-22, 18, -280)], 11.0)
PULMONARY_ARTERIES: list[Tube] = [
    *tubes([(14, -52, -50), (17, -36, -22), (18, -16, -4)], [13, 13.5, 13]),
    *tubes([(18, -16, -4), (-8, -2, -14), (-30, 4, -16), (-40, 8, -20)], [11, 10.5, 9.5, 7.5]),
    *tubes([(18, -16, -4), (28, 4, 2), (36, 18, -4), (39, 24, -16)], [11, 10.5, 9.5, 7.5]),
]
PULMONARY_VEINS: list[Tube] = [
    *tubes([(-22, 8, -40), (-38, 4, -34)], [8, 5.5]),
    *tubes([(-20, 14, -48), (-36, 22, -58)], [8, 5.5]),
    *tubes([(24, 8, -36), (42, 6, -26)], [8, 5.5]),
    *tubes([(22, 16, -46), (38, 26, -56)], [8, 5.5]),
]
GULLET: list[Tube] = tubes([(3, 28, 140), (6, 30, 20), (8, 26, -40), (8, 22, -90), (24, 4, -128)], [6, 6, 6.5, 6.5, 7])
TRACHEA_ROOM: list[Tube] = [
    *tubes([(0, 4, 150), (0, 10, 60), (-1, 17, 0)], 10.5),
    *tubes([(-1, 17, 0), (-22, 20, -16), (-34, 22, -36)], [9, 9, 8]),
    *tubes([(-1, 17, 0), (22, 22, -20), (38, 25, -30)], [8.5, 8.5, 7.5]),
]
FAT_OF_THE_MIDDLE: list[Solid] = [
    Ellipsoid((0.0, -16.0, 20.0), (14.0, 24.0, 60.0)),
    Ellipsoid((0.0, 8.0, 110.0), (36.0, 46.0, 60.0)),
    Ellipsoid((2.0, 16.0, -16.0), (30.0, 15.0, 24.0)),
    Tube((2.0, 10.0, -76.0), (2.0, 10.0, -210.0), 18.0, 30.0),
]
MEDIASTINAL_ORGANS: list[Solid] = [
    *FAT_OF_THE_MIDDLE,
    *TRACHEA_ROOM,
    *ASCENDING_AORTA,
    *DESCENDING_AORTA,
    *ARCH_BRANCHES,
    *VEINS_ABOVE,
    *INFERIOR_CAVA,
    *PULMONARY_ARTERIES,
    *PULMONARY_VEINS,
    *GULLET,
]

NECK_MUSCLES: list[Solid] = [
    tube
    for side in (-1, 1)
    for tube in (
        *tubes([(side * 14, 30, 190), (side * 15, 34, 60)], [9, 5]),
        *tubes([(side * 28, 32, 190), (side * 34, 34, 128), (side * 44, 22, 96)], [14, 13, 8]),
        *tubes([(side * 30, -4, 190), (side * 20, -38, 112), (side * 12, -56, 66)], [11, 10, 7]),
        *tubes([(side * 9, -16, 160), (side * 9, -30, 100), (side * 8, -48, 62)], [6, 6, 4]),
    )
]

LIVER: list[Solid] = [
    Ellipsoid((-64.0, -8.0, -182.0), (76.0, 96.0, 90.0)),
    Ellipsoid((-4.0, -42.0, -160.0), (62.0, 36.0, 42.0)),
]
SPLEEN: list[Solid] = [Ellipsoid((92.0, 38.0, -148.0), (36.0, 46.0, 46.0))]
STOMACH: list[Solid] = [Ellipsoid((54.0, -18.0, -146.0), (44.0, 50.0, 42.0))]
STOMACH_FILL: list[Solid] = [Ellipsoid((54.0, -18.0, -146.0), (40.0, 46.0, 38.0))]
STOMACH_GAS: list[Solid] = [Ellipsoid((54.0, -40.0, -138.0), (28.0, 22.0, 22.0))]  # rises to the front
COLON: list[Solid] = tubes([(100, -50, -150), (70, -72, -170), (20, -76, -190), (-40, -74, -205)], 17.0)  # type: ignore[assignment]
KIDNEYS: list[Solid] = [
    Ellipsoid((-52.0, 50.0, -232.0), (25.0, 24.0, 46.0)),
    Ellipsoid((56.0, 50.0, -218.0), (25.0, 24.0, 46.0)),
]


def right_heart(size: float) -> list[Solid]:
    """Right atrium and ventricle."""
    return [
        _sized((-28.0, -28.0, -58.0), (22.0, 28.0, 30.0), size),
        _sized((2.0, -54.0, -66.0), (40.0, 22.0, 32.0), size),
        _sized((14.0, -56.0, -48.0), (18.0, 18.0, 20.0), size),
    ]


def left_heart(size: float) -> list[Solid]:
    """Left atrium and the left ventricle's cavity."""
    return [
        _sized((4.0, 6.0, -42.0), (30.0, 19.0, 20.0), size),
        _sized((34.0, -30.0, -64.0), (38.0, 19.0, 20.0), size, _LONG_AXIS),
    ]


def left_ventricle(size: float) -> list[Solid]:
    """Its muscle, with the cavity."""
    return [_sized((34.0, -30.0, -64.0), (50.0, 30.0, 31.0), size, _LONG_AXIS)]


def heart_parts(size: float) -> list[Solid]:
    """All of the heart."""
    return [*right_heart(size), *left_heart(size), *left_ventricle(size)]


def _sized(
    center: tuple[float, float, float],
    half: tuple[float, float, float],
    size: float,
    axes: tuple[tuple[float, float, float], ...] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
) -> Ellipsoid:
    return Ellipsoid(center, (half[0] * size, half[1] * size, half[2] * size), axes)
