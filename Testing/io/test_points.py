"""Spots of a CSV file or of 3D Slicer, and spheres of many scans, or why there are none."""

import json

import pytest

from LungCancerDxLib.errors import UsageError
from LungCancerDxLib.io.points import read_points, read_spheres


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
        "x;y;z\n1;-2.5;30\n4;5;6\n",
        "x\ty\tz\r\n1\t-2.5\t30\r\n4\t5\t6\r\n".encode("utf-16"),
    ],
    ids=[
        "plain",
        "spaces",
        "other order",
        "from a spreadsheet",
        "quoted",
        "capitals and blanks",
        "semicolons",
        "UTF-16",
    ],
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
    [("1,2,3\n", "x, y, z"), ("x,y\n1,2\n", "z"), ("x:y:z\n1:2:3\n", "x, y, z")],
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


def test_a_binary_file_is_no_table(points):
    with pytest.raises(UsageError, match=r"points.csv, line 1: no column x, y, z"):
        points(b"\x89PNG\r\n\x1a\n\xff\xfe")
    with pytest.raises(UsageError, match=r"points.csv cannot be read .*; expected a CSV file"):
        points(b"\xff\xfex")


def test_a_missing_file_or_a_folder_cannot_be_read(tmp_path):
    for path in (tmp_path / "nope.csv", tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            read_points(path)


def markups(*points, **options):
    """A `.mrk.json` as Slicer writes it, of positions or of whole control points."""
    controls = [
        point if isinstance(point, dict) else {"position": point, "positionStatus": "defined"} for point in points
    ]
    markup = {"type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": "mm", "controlPoints": controls}
    return json.dumps({"@schema": "markups-schema", "markups": [{**markup, **options}]})


FCSV = """# Markups fiducial file version = 4.11
# CoordinateSystem = {system}
# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID
1,{x},{y},30,0,0,0,1,1,1,0,F-1,"a, b",vtkMRMLScalarVolumeNode1
2,-4.5,5,6,0,0,0,1,1,1,0,F-2,,
"""


@pytest.mark.parametrize(
    ("name", "content", "second"),
    [
        ("F.mrk.json", markups([1, -2.5, 30], [-4.5, 5, 6]), (-4.5, 5, 6)),
        ("F.mrk.json", markups([-1, 2.5, 30], [-4.5, 5, 6], coordinateSystem="RAS"), (4.5, -5, 6)),
        ("F.mrk.json", markups([-1, 2.5, 30], [-4.5, 5, 6], coordinateSystem="0"), (4.5, -5, 6)),
        ("F.fcsv", FCSV.format(system="LPS", x=1, y=-2.5), (-4.5, 5, 6)),
        ("F.fcsv", FCSV.format(system="1", x=1, y=-2.5), (-4.5, 5, 6)),
        ("F.fcsv", FCSV.format(system="0", x=-1, y=2.5), (4.5, -5, 6)),
        ("F.fcsv", FCSV.format(system="RAS", x=-1, y=2.5), (4.5, -5, 6)),
        ("F.FCSV", "# Markups fiducial file version = 4.5\n1,-1,2.5,30\n2,-4.5,5,6\n", (4.5, -5, 6)),
    ],
)
def test_points_of_slicer_are_read_in_their_own_frame(tmp_path, name, content, second):
    (tmp_path / name).write_text(content)
    assert read_points(tmp_path / name) == [(1.0, -2.5, 30.0), second]


def test_points_that_were_not_placed_yet_are_left_out(tmp_path):
    (tmp_path / "F.mrk.json").write_text(markups([1, 2, 3], {"position": [0, 0, 0], "positionStatus": "undefined"}))
    assert read_points(tmp_path / "F.mrk.json") == [(1.0, 2.0, 3.0)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("F.mrk.json", markups(), "holds no points"),
        ("F.mrk.json", markups([1, 2, 3], type="Line"), "it holds a Line, expected a point list"),
        ("F.mrk.json", markups([1, 2, 3], coordinateUnits="cm"), "its unit is cm, expected mm"),
        ("F.mrk.json", markups([1, 2, 3], coordinateSystem="IJK"), "cannot be read as points of 3D Slicer"),
        ("F.mrk.json", markups([1, 2]), "cannot be read as points of 3D Slicer"),
        ("F.mrk.json", markups([1, 2, float("nan")]), "cannot be read as points of 3D Slicer"),
        ("F.json", "[1, 2", "cannot be read as points of 3D Slicer"),
        ("F.json", "{}", "cannot be read as points of 3D Slicer"),
        ("F.fcsv", "# columns = id,x,y,z\n1,2,a,3\n", "cannot be read as points of 3D Slicer"),
        ("F.fcsv", "# CoordinateSystem = IJK\n1,2,3,4\n", "cannot be read as points of 3D Slicer"),
        ("F.fcsv", "", "holds no points"),
    ],
)
def test_a_file_of_slicer_without_points_in_mm_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=rf"F\.\S+ .*{message}"):
        read_points(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,x,y,z,d\n", "no column x_lps_mm, y_lps_mm, z_lps_mm, diameter_mm"),
        ("{}a,1,2,three,4\n", "line 2, column z_lps_mm: expected a number, got 'three'"),
        ("{}a,1,2,3,0\n", "above zero"),
        ("{}a,1,2\n", "line 2"),
        ("{}a,1,2,3,4\na,1,2,3,4\n", "line 3: the same sphere of a twice"),
    ],
)
def test_a_list_of_spheres_that_is_none_is_named_with_its_line(tmp_path, content, message):
    (tmp_path / "list.csv").write_text(content.format("id,x_lps_mm,y_lps_mm,z_lps_mm,diameter_mm\n"))
    with pytest.raises(UsageError, match=message):
        read_spheres(tmp_path / "list.csv", "diameter_mm")
