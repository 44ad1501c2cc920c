"""`mmbench report` and `mmbench plot`: every format, figures, hostile input, and nothing written but what was named."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from mmbench.cli import main
from mmbench.cli.figure_files import FIGURE_FORMS
from mmbench.configs.runlog import Event
from mmbench.configs.store import RunWriter
from mmbench.configs.sweeplog import read_sweep
from mmbench.reports.figures.svg import FORMS
from report_evidence import OTHER, write_machines
from synthetic_sweep import RUN, write_sweep

EVIL = "</script><script>alert(1)</script>\"'`$x$<img src=x onerror=alert(2)>\x1b[31m\u202e\x00"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two synthetic machines with sweeps."""
    folder = tmp_path_factory.mktemp("stored")
    write_machines(folder, cells=24)
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def mmbench(results: Path, *words: str) -> Result:
    return CliRunner().invoke(main.cli, ["--results", str(results), *words])


def good(results: Path, *words: str) -> str:
    result = mmbench(results, *words)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_a_page_lands_where_it_was_asked_for_and_nothing_else_is_written(stored: Path, here: Path) -> None:
    before = files(stored)
    assert good(stored, "report", "-o", "r.html").strip() == "r.html"
    assert files(here) == {"r.html"}
    assert files(stored) == before
    text = (here / "r.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert text.count("(synthetic)") > 4
    for name in ("verdict", "chips", "memory", "rooflines", "performance", "fragmentation", "comparison", "cores", "method"):
        assert f'<section id="{name}"' in text, name
    order = [text.index(f'<section id="{name}"') for name in ("verdict", "chips", "memory", "rooflines", "performance", "fragmentation")]
    assert order == sorted(order)


def test_without_a_name_the_page_has_its_own(stored: Path, here: Path) -> None:
    assert good(stored, "report", "--section", "verdict").strip() == "mmbench-report.html"
    assert files(here) == {"mmbench-report.html"}


@pytest.mark.parametrize("form", ["html", "md", "csv", "json"])
def test_every_format_by_option_and_by_ending(stored: Path, here: Path, form: str) -> None:
    few = ("--section", "verdict", "--section", "method")  # sections without figures: these are drawn elsewhere
    good(stored, "report", *few, "-o", f"r.{form}")
    by_ending = (here / f"r.{form}").read_bytes()
    assert good(stored, "report", *few, "--format", form, "-o", "-").encode() == by_ending
    text = by_ending.decode()
    if form == "json":
        document = json.loads(text)
        assert document["schema"] == 1
        assert {m["id"] for m in document["machines"]} == {RUN.machine_id, OTHER}
        assert all(m["synthetic"] for m in document["machines"])
        assert 1 <= len(document["verdict"]) <= 4
    elif form == "csv":
        rows = list(csv.DictReader(io.StringIO(text)))
        assert len(rows) == sum(len({(r.case.id, r.variant.kernel) for r in read_sweep(p).rows}) for p in stored.glob("*/runs/*"))
    elif form == "md":
        assert text.startswith("# ")
        assert "## Verdict" in text
        assert "('" not in text


def test_the_same_files_give_the_same_bytes_whatever_the_hash_seed(stored: Path, here: Path) -> None:
    pages = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-m", "mmbench", "--results", str(stored), "report", "-o", f"{seed}.html"]
        subprocess.run(command, check=True, env=environment, capture_output=True)
        pages.append((here / f"{seed}.html").read_bytes())
    assert pages[0] == pages[1]


def test_figures_are_files_in_three_forms(stored: Path, here: Path) -> None:
    good(stored, "report", "-o", "r.md", "--figures", "f", "--section", "memory")
    names = files(here / "f")
    assert {Path(name).suffix for name in names} == {".svg", ".png", ".pdf"}
    assert len(names) % 3 == 0
    for name in names:
        head = (here / "f" / name).read_bytes()[:8]
        assert head.startswith({".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}[Path(name).suffix]), name
    links = set(re.findall(r"\]\(f/([^)]*)\)", (here / "r.md").read_text()))
    assert links == {name for name in names if name.endswith(".svg")}
    assert FIGURE_FORMS == FORMS


def test_plot_draws_one_figure_and_lists_them_all(stored: Path, here: Path) -> None:
    listed = good(stored, "plot")
    assert "roofline" in listed
    for form in ("png", "svg", "pdf"):
        assert good(stored, "plot", "roofline", "-o", f"it.{form}").strip() == f"it.{form}"
    assert files(here) == {"it.png", "it.svg", "it.pdf"}


REFUSED = {
    "no such figure": ("plot", "nosuch", "-o", "x.png"),
    "no file": ("plot", "latency"),
    "a form that there is not": ("plot", "latency", "-o", "x.gif"),
    "no ending": ("plot", "latency", "-o", "x"),
    "an empty name": ("report", "-o", ""),
    "a folder": ("report", "-o", "."),
    "an empty folder name": ("report", "--figures", ""),
    "no such section": ("report", "--section", "nosuch"),
    "no such file": ("report", "nowhere.jsonl"),
    "a folder that cannot be": ("report", "-o", "/proc/x/r.html"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_cannot_be_done_is_one_sentence(stored: Path, here: Path, why: str) -> None:
    result = mmbench(stored, *REFUSED[why])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr
    assert files(here) == set()


def test_no_results_give_a_page_that_says_what_to_run(here: Path) -> None:
    result = mmbench(here / "nothing", "report", "-o", "r.html")
    assert result.exit_code == 0
    assert "mmbench probe" in (here / "r.html").read_text()
    assert "nothing to report yet" in result.stderr
    assert mmbench(here / "nothing", "plot", "latency", "-o", "x.png").exit_code == 2


def spoilt(change: Callable[[dict[str, object]], None], results: Path) -> None:
    """A sweep every line of which was changed by somebody."""
    path = write_sweep(results)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        change(line)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def every_word(value: object, word: str, kept: tuple[str, ...]) -> object:
    """The same with every string that names nothing in place of `word`."""
    if isinstance(value, dict):
        return {key: item if key in kept else every_word(item, word, kept) for key, item in value.items()}
    if isinstance(value, list):
        return [every_word(item, word, kept) for item in value]
    return word if isinstance(value, str) and value else value


_MEANT = ("event", "status", "dtype", "layout", "batch_kind", "epilogue", "temperature", "kind", "machine_id", "id", "op", "dirty")


@pytest.mark.parametrize(
    "word",
    [EVIL, "A" * 1_000_000, "\u202e\u2066x\u2069", "../../etc/passwd", "\ud800"],
    ids=["markup", "long", "bidi", "path", "surrogate"],
)
def test_words_of_a_hostile_file_do_nothing(here: Path, word: str) -> None:
    def change(line: dict[str, object]) -> None:
        if "payload" in line:
            line["payload"] = every_word(line["payload"], word, _MEANT)

    spoilt(change, here / "results")
    for form in ("html", "md", "csv", "json"):
        figures = ("--figures", "f") if form == "md" else ()
        result = mmbench(here / "results", "report", "-o", f"r.{form}", *figures)
        assert result.exit_code == 0, result.stderr
    page = (here / "r.html").read_text(encoding="utf-8")
    assert page.count("<script") == 1
    assert "onerror=alert" not in page.replace("onerror=alert(2)&gt;", "")
    assert "\u202e" not in page
    assert "\x1b" not in page
    assert len(page) < 3_000_000
    assert {name.split("/")[0] for name in files(here)} == {"results", "r.html", "r.md", "r.csv", "r.json", "f"}


NUMBERS = [0, -1.0, 1e308, -1e308, 1e-308, None, 5e-324]


@pytest.mark.parametrize("number", NUMBERS)
def test_times_that_cannot_be_break_nothing(here: Path, number: float | None) -> None:
    def change(line: dict[str, object]) -> None:
        payload = line.get("payload")
        if line.get("event") == "row" and isinstance(payload, dict):
            samples = payload["samples"]
            samples["time_s"] = [number for _ in samples["time_s"]]
            samples["clock_hz"] = [number for _ in samples["clock_hz"]]

    spoilt(change, here / "results")
    for form in ("html", "md", "json"):
        result = mmbench(here / "results", "report", "-o", f"r.{form}")
        assert result.exit_code == 0, result.stderr
    page = (here / "r.html").read_text(encoding="utf-8")
    assert ">nan<" not in page.lower()
    assert ">inf<" not in page.lower()


def test_strict_exits_with_three_for_what_contradicts_itself(stored: Path, here: Path) -> None:
    assert mmbench(stored, "report", "-o", "r.json", "--strict").exit_code == 3  # a synthetic row lies above its roof
    assert mmbench(here / "nothing", "report", "-o", "r.json", "--strict").exit_code == 0
    torn = write_sweep(here / "torn")
    torn.write_text(torn.read_text() + '{"event": "ro')
    result = mmbench(here / "torn", "report", "-o", "r.json", "--strict")
    assert result.exit_code == 3
    assert "skipped: " in result.stderr


def test_a_run_of_a_later_writer_with_other_events_is_read(here: Path) -> None:
    path = write_sweep(here / "results")
    writer = RunWriter(here / "results").reopen(path)
    writer.append("novel", Event("x", "y"))
    writer.close()
    assert good(here / "results", "report", "-o", "r.json")


def test_markdown_has_signs_and_no_python(stored: Path, here: Path) -> None:
    good(stored, "report", "--section", "chips", "-o", "r.md")
    text = (here / "r.md").read_text(encoding="utf-8")
    assert "| ✓ " in text
    assert "('" not in text
    assert "agrees')" not in text


def test_a_skipped_file_is_named_once(stored: Path, here: Path) -> None:
    (stored / "torn.jsonl").write_text("{")
    said = mmbench(stored, "report", "--section", "verdict", "-o", "r.md").stderr
    assert said.count("torn.jsonl") == 1
    assert "skipped: " in said
