"""Spots of a CSV file, or why there are none."""

import pytest

from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.io.points import read_points


@pytest.fixture
def points(tmp_path):
    """A function from the content of a file to its points."""

    def read(content):
        path = tmp_path / "points.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_points(path)

    return read


@pytest.mark.parametrize(
    "content",
    [
        "x,y,z\n1,-2.5,3e1\n4,5,6\n",
        "x, y, z\n1, -2.5, 3e1\n4, 5, 6",
        "name,z,y,x\nfirst,30,-2.5,1\nsecond,6,5,4\n",
        "\ufeffx,y,z\r\n1,-2.5,30\r\n\r\n4,5,6\r\n",
        '"x","y","z"\n"1","-2.5","30"\n4,5,6\n',
        "X ,Y , Z\n1,-2.5,30\n4,5,6\n",
    ],
    ids=["plain", "spaces", "other columns and order", "from a spreadsheet", "quoted", "capitals and blanks"],
)
def test_points_are_read_by_the_names_of_their_columns(points, content):
    assert points(content) == [(1.0, -2.5, 30.0), (4.0, 5.0, 6.0)]


def test_decimal_commas_are_refused_and_not_misread(points):
    with pytest.raises(UsageError, match=r"line 2: 6 cells, but the header line has 3. .* write decimals with a point"):
        points("x,y,z\n1,5,2,5,3,0\n")


def test_a_file_with_a_header_alone_has_no_points(points):
    assert points("x,y,z\n") == []


@pytest.mark.parametrize(
    ("content", "missing"),
    [("1,2,3\n", "x, y, z"), ("x,y\n1,2\n", "z"), ("x;y;z\n1;2;3\n", "x, y, z")],
)
def test_missing_columns_are_named(points, content, missing):
    with pytest.raises(UsageError, match=rf"points.csv, line 1: no column {missing}; expected a header with x,y,z"):
        points(content)


@pytest.mark.parametrize("row", ["a,2,3", "1,,3", "1,2", "nan,2,3", "1,2,nan", "inf,2,3", "1,-inf,3", "1;2;3,4,5"])
def test_a_row_without_three_numbers_is_named_by_its_line(points, row):
    with pytest.raises(UsageError, match=r"points.csv, line 3(, column [xyz]: expected a number|: \d cells)"):
        points(f"x,y,z\n1,2,3\n{row}\n")


def test_an_empty_file_has_no_header(points):
    with pytest.raises(UsageError, match=r"points.csv is empty; expected a CSV file with a header line"):
        points("")


def test_a_binary_file_cannot_be_read(points):
    with pytest.raises(UsageError, match=r"points.csv cannot be read .*; expected a CSV file"):
        points(b"\x89PNG\r\n\x1a\n\xff\xfe")


def test_a_missing_file_or_a_folder_cannot_be_read(tmp_path):
    for path in (tmp_path / "nope.csv", tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            read_points(path)
