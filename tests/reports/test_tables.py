from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from mmbench.reports.look import Line, Look, paint
from mmbench.reports.tables import Cell, Column, grid, table
from mmbench.reports.text import cell_width

COLUMNS = (Column("name", "left"), Column("rate GB/s"), Column("latency ns"), Column("check", "left"))
ROWS = (
    (Cell("L1d"), Cell("530", tail="±3"), Cell("1.30", tail="±0.01"), Cell("= reported")),
    (Cell("DRAM"), Cell("61.0", tail="±1.2"), Cell("112", tail="±2"), Cell("no claim")),
)


def _text(lines: list[Line], look: Look) -> str:
    return paint(lines, look)


def test_numbers_and_their_intervals_stand_in_columns() -> None:
    look = Look()
    assert _text(table(grid(COLUMNS, ROWS), look), look) == (
        "name  rate GB/s       latency ns        check\n"
        "L1d         530 ±3          1.30 ±0.01  = reported\n"
        "DRAM       61.0 ±1.2         112 ±2     no claim\n"
    )


def test_intervals_go_first_and_the_widest_is_named() -> None:
    look = Look(width=48)
    text = _text(table(grid(COLUMNS, ROWS, 0.02), look), look)
    assert "±3" not in text
    assert text.splitlines()[-1] == "  all within ±2.0 %"


def test_optional_columns_go_before_intervals() -> None:
    look = Look(width=52)
    extra = (*COLUMNS[:3], Column("instruction", "left", optional=True), COLUMNS[3])
    rows = [(*row[:3], Cell("vfmadd231ps"), row[3]) for row in ROWS]
    text = _text(table(grid(extra, rows), look), look)
    assert "vfmadd231ps" not in text
    assert "±0.01" in text
    assert "vfmadd231ps" in _text(table(grid(extra, rows), Look(width=80)), Look(width=80))


def test_a_table_without_room_becomes_pairs_and_keeps_every_cell() -> None:
    look = Look(width=24)
    text = _text(table(grid(COLUMNS, ROWS), look), look)
    assert "rate GB/s 530" in text
    assert all(cell.text in text for row in ROWS for cell in row)


def test_empty_columns_and_empty_tables_vanish() -> None:
    look = Look()
    rows = [(Cell("L1d"), Cell("530"), Cell(), Cell("ok"))]
    assert "latency" not in _text(table(grid(COLUMNS, rows), look), look)
    assert table(grid(COLUMNS, []), look) == []


def test_running_text_is_wrapped_in_its_column() -> None:
    look = Look(width=40)
    columns = (Column("fact", "left"), Column("value", "left", flows=True))
    lines = _text(table(grid(columns, [(Cell("mitigations"), Cell("one two three four five six seven eight"))]), look), look).splitlines()
    assert lines[1] == "mitigations  one two three four five six"
    assert lines[2] == "             seven eight"


_WORDS = st.text(alphabet="abc漢 ", max_size=30).map(lambda text: " ".join(text.split()))


@settings(max_examples=60)
@given(st.lists(st.tuples(*[_WORDS] * 4), min_size=1, max_size=5), st.integers(60, 120))
def test_no_table_is_wider_than_the_screen_and_none_loses_a_cell(words: list[tuple[str, ...]], width: int) -> None:
    look = Look(width=width)
    rows = [tuple(Cell(word) for word in row) for row in words]
    painted = paint(table(grid(COLUMNS, rows), look), look)
    assert all(cell_width(line) <= width for line in painted.splitlines())
    for row in words:
        assert all(piece in painted for word in row for piece in word.split())
