"""The output of a run is read in pieces of any size, whatever else stands in it."""

import json

import pytest

from LungCancerDxLib.slicer.panel.command import Report, ReportReader

LINES = [
    {"process_group": 4711},
    {"stage": "reading the CT", "fraction": 0.0, "seconds_left": None},
    {"stage": "Lungenflügel", "fraction": 0.5, "seconds_left": 12.5},
    {"stage": "done", "fraction": 1, "seconds_left": 0},
    {"error": "No lungs: überall Luft.", "exit_code": 3},
]
OUTPUT = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in LINES).encode()
REPORTS = [
    Report("reading the CT", 0.0, None),
    Report("Lungenflügel", 0.5, 12.5),
    Report("done", 1.0, 0.0),
]


@pytest.fixture
def reader():
    return ReportReader()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_reports_come_out_of_pieces_of_any_size(reader, size):
    reports = []
    for start in range(0, len(OUTPUT), size):
        reports += reader.feed(OUTPUT[start : start + size])
    assert reports == REPORTS
    assert reader.error == "No lungs: überall Luft."
    assert reader.process_group == 4711
    assert list(reader.other_lines) == []


def test_a_report_is_told_with_its_line_feed_and_not_before(reader):
    line = b'{"stage": "masking", "fraction": 0.25, "seconds_left": 3}'
    assert reader.feed(line) == []
    assert reader.feed(b"\n") == [Report("masking", 0.25, 3.0)]


def test_the_last_line_needs_no_line_feed(reader):
    reader.feed(b'{"error": "Stopped.", "exit_code": 130}')
    assert reader.error is None
    assert reader.finish() == []
    assert reader.error == "Stopped."


def test_lines_may_end_as_on_windows(reader):
    assert reader.feed(OUTPUT.replace(b"\n", b"\r\n")) == REPORTS


@pytest.mark.parametrize(
    "line",
    [
        "Downloading weights",
        "{",
        "[]",
        "5",
        '{"stage": "masking"}',
        '{"stage": 5, "fraction": 0.5}',
        '{"stage": "masking", "fraction": "half"}',
        '{"stage": "masking", "fraction": true}',
        '{"stage": "masking", "fraction": NaN}',
        '{"stage": "masking", "fraction": 1.5}',
        '{"stage": "masking", "fraction": ' + "9" * 400 + "}",
        '{"error": 3}',
        "[" * 50_000,
        "\0\1",
    ],
    ids=lambda line: line[:30],
)
def test_a_line_of_something_else_is_kept_and_harms_nothing(reader, line):
    assert reader.feed(line.encode() + b"\n" + OUTPUT) == REPORTS
    assert list(reader.other_lines) == [line.strip()[:500]]
    assert reader.error == "No lungs: überall Luft."


def test_bytes_that_are_no_text_are_tolerated(reader):
    assert reader.feed(b"\xff\xfe\x80\n" + OUTPUT) == REPORTS
    assert len(reader.other_lines) == 1


def test_a_time_left_that_makes_no_sense_is_not_told(reader):
    assert reader.feed(b'{"stage": "masking", "fraction": 0.5, "seconds_left": "soon"}\n')[0].seconds_left is None
    assert reader.feed(b'{"stage": "masking", "fraction": 0.5, "seconds_left": Infinity}\n')[0].seconds_left is None


def test_endless_rubbish_takes_no_memory(reader):
    for _ in range(200):
        reader.feed(b"x" * 100_000)
    reader.feed(b"\n")
    for n in range(1000):
        reader.feed(b"line %d\n" % n)
    assert len(reader.other_lines) == 20
    assert reader.other_lines[-1] == "line 999"
    assert sum(map(len, reader.other_lines)) < 20_000
    assert reader.feed(OUTPUT) == REPORTS


def test_of_a_line_without_end_only_the_last_part_is_kept(reader):
    for _ in range(50):
        reader.feed(b"x" * 100_000)
    reader.finish()
    assert [len(line) for line in reader.other_lines] == [500]
