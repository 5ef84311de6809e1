"""Tables as people and spreadsheets write them, and what is said of those that are none."""

import os

import numpy as np
import pytest

from LungCancerDxLib.errors import CTReadError, UsageError
from LungCancerDxLib.io.tables import read_first_column, read_labels, read_table, write_table

CONTENT = "id,Größe\na,1.5\n\nb,2\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("separator", [",", "\t", ";", ", "])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_may_be_encoded_and_separated_as_spreadsheets_do(tmp_path, encoding, separator, end):
    path = tmp_path / "table.csv"
    path.write_bytes(CONTENT.replace(",", separator).replace("\n", end).encode(encoding))
    table = read_table(path, ("größe",))
    assert (table.texts("ID"), table.numbers("Größe").tolist(), table.lines) == (["a", "b"], [1.5, 2.0], [2, 4])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("id,x,X\n", "names x more than once"),
        ("id,y\n", "line 1: no column x; expected a header with id,x"),
        ("id,x\na\n", r"line 2: 1 cells, but the header line has 2\. Separate cells by commas"),
        ("id;x\na;2,5\n", "line 2, column x: expected a number, got '2,5'"),
        ("id,x\na,nan\n", "line 2, column x: expected a number, got 'nan'"),
        ("id,x\n,1\n", "line 2, column id: the cell is empty"),
        ('id,x\na,1\n\nb,"2\nc,3\nd,4\n', "line 4: cannot be read"),
        ('id,x\na,"1\nb,"2"\nc,3\n', r"line 2: .* a cell that begins with a quotation mark"),
    ],
)
@pytest.mark.parametrize("error", [UsageError, CTReadError])
def test_what_is_wrong_is_said_with_its_place_as_the_error_that_was_asked_for(tmp_path, content, message, error):
    path = tmp_path / "table.csv"
    path.write_text(content)

    def read():
        table = read_table(path, ("id", "x"), error)
        return table.numbers("x"), table.texts("id")

    with pytest.raises(error, match=rf"table\.csv.*{message}"):
        read()


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"none\.csv cannot be read"):
        read_table(tmp_path / "none.csv")


def test_rows_can_be_chosen_and_empty_cells_allowed(tmp_path):
    (tmp_path / "table.csv").write_text("id,x\na,\nb,2\n")
    table = read_table(tmp_path / "table.csv")
    np.testing.assert_array_equal(table.numbers("x", empty_allowed=True), [np.nan, 2])
    assert table.where(np.array([False, True])).texts("id") == ["b"]


def test_labels_are_read_case_by_case_from_the_first_column_that_is_there(tmp_path):
    (tmp_path / "table.csv").write_text("label,id\n1,a\n0,b\n")
    assert read_labels(tmp_path / "table.csv", "cancer", "label") == {"a": True, "b": False}


@pytest.mark.parametrize("header", ["seriesuid,more\n", "", "Patient\n", "scan_id\n", "CASE,path\n", "Name\n"])
def test_a_list_may_have_a_header_of_any_usual_name(tmp_path, header):
    (tmp_path / "list.csv").write_text(f"{header}1.2\n1.3\n")
    assert read_first_column(tmp_path / "list.csv") == ["1.2", "1.3"]


def test_what_is_written_reads_back_the_same(tmp_path):
    write_table(tmp_path / "table.csv", ("id", "x", "y"), [("a, b", 0.1 + 0.2, True), ("c", None, False)])
    assert (tmp_path / "table.csv").read_text() == 'id,x,y\n"a, b",0.30000000000000004,1\nc,,0\n'


def test_a_list_may_name_files_whose_bytes_are_no_utf8(tmp_path):
    (tmp_path / "list.csv").write_bytes(b"path\nJ\xfcrgen/ct.nrrd\n")
    (name,) = read_table(tmp_path / "list.csv").texts("path")
    assert os.fsencode(name) == b"J\xfcrgen/ct.nrrd"
