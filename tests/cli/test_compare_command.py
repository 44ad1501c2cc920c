"""`mmbench compare` as a user types it: every way to name two sides, every error, the exit codes of its rule, and the screen."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result
from mmbench.cli import main
from mmbench.configs.cases import Case, Measurement, Samples, Status
from mmbench.configs.plan import Cell, Entrant, SweepPlan
from mmbench.configs.runs import RUN_SCHEMA, Run
from mmbench.configs.schema_files import compare_schema
from mmbench.configs.store import RunWriter, save_machine
from synthetic_machine import synthetic_machine
from synthetic_sweep import CELLS, ENTRANTS, RUN, plan, row, write_sweep

ZEN, SPR = "zen5-16c-1f3a2b", "sapphirerapids-2c-00beef"


def stored(results: Path, machine: str, run_id: str, day: int, change: Callable[[Measurement], Measurement | None], cells: int = 8) -> Path:
    """A sweep of some cubes by three kernels, each row as `change` makes it (None: left out)."""
    grid = tuple(
        Cell(Case(64 + 8 * i, 64, 64, dtype="f64" if i % 4 == 3 else "f32"), "BERT-base ffn up" if i % 2 else "cube") for i in range(cells)
    )
    known = [e for e in ENTRANTS if e.kernel in ("vectorized", "openblas@debian")]
    entrants = (*known, Entrant("openblas@numpy", "library", "1", "OpenBLAS"))
    run = Run(RUN_SCHEMA, run_id, "sweep", machine, f"2026-11-{day:02}T16:40:11Z")
    with RunWriter(results).open(run) as writer:
        writer.append("plan", SweepPlan(grid, entrants))
        for number, cell in enumerate(grid):
            for entrant in entrants:
                made = change(answer(cell, entrant.kernel, number))
                if made is not None:
                    writer.append("row", made)
    return writer.path


def answer(cell: Cell, kernel: str, number: int) -> Measurement:
    """A row; openblas@numpy is half as fast as the other copy."""
    made = row(cell, "vectorized" if kernel == "vectorized" else "openblas@debian", number)
    if kernel == "openblas@numpy":
        made = times(made, 2.0)
    return replace(made, variant=replace(made.variant, kernel=kernel))


def times(made: Measurement, factor: float) -> Measurement:
    samples = made.samples
    return replace(made, samples=replace(samples, time_s=tuple(t * factor for t in samples.time_s)))


def same(made: Measurement) -> Measurement:
    return made


def worse(made: Measurement) -> Measurement | None:
    """The second run: one cell slower, one wrong, one gone, one of another version."""
    if made.variant.kernel != "vectorized":
        return made
    m = made.case.m
    if m == 64:
        return times(made, 1.5)
    if m == 72:
        return replace(made, status=Status.WRONG, samples=Samples(), reason="tails failed")
    if m == 80:
        return None
    return replace(made, variant=replace(made.variant, version="4")) if m == 88 else made


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of one machine, one of another, one that is no sweep, one that is damaged."""
    folder = tmp_path_factory.mktemp("results")
    stored(folder, ZEN, "5a3e", 20, same)
    stored(folder, ZEN, "6b4f", 21, worse)
    stored(folder, SPR, "7c5a", 22, lambda made: times(made, 1.1))
    save_machine(folder, replace(synthetic_machine(), id=ZEN))
    probe = Run(RUN_SCHEMA, "9e7c", "probe", ZEN, "2026-11-19T16:40:11Z")
    RunWriter(folder).open(probe).close()
    (folder / ZEN / "runs" / "20261101T000000Z-dead.jsonl").write_text("{torn")
    return folder


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", "")
    for name in ("MMBENCH_RESULTS", "MMBENCH_COLOR", "MMBENCH_ASCII", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def mmbench(results: Path, *words: str, columns: int = 80) -> Result:
    return CliRunner().invoke(main.cli, ["--results", str(results), "compare", *words], env={"COLUMNS": str(columns)})


def file_of(results: Path, run_id: str) -> str:
    return str(next(results.glob(f"*/runs/*-{run_id}.jsonl")))


def test_two_libraries_of_the_newest_sweep(results: Path) -> None:
    result = mmbench(results, "vectorized", "openblas@debian")
    assert result.exit_code == 0, result.output
    assert "A vectorized · on sapphirerapids-2c-00beef · sweep 7c5a" in result.stdout
    assert "geometric mean of 8 cells: vectorized is" in result.stdout
    assert "both sides took turns in one sweep" in result.stdout


def test_the_sweep_of_two_libraries_may_be_named(results: Path) -> None:
    for run in ("5a3e", "5a", "20261120T164011Z-5a3e", file_of(results, "5a3e")):
        result = mmbench(results, "openblas@debian", "openblas@numpy", "--run", run)
        assert result.exit_code == 0, result.output
        assert "B openblas@numpy · on zen5-16c-1f3a2b · sweep 5a3e" in result.stdout
        assert re.search(r"openblas@debian is (2\.0[01]|1\.99)x as fast as openblas@numpy", " ".join(result.stdout.split()))


def test_a_pattern_names_a_kernel(results: Path) -> None:
    assert mmbench(results, "openblas@d*", "vec*").exit_code == 0


def test_two_runs_by_id_by_file_and_by_the_beginning_of_a_name(results: Path) -> None:
    outputs = {
        mmbench(results, a, b).stdout for a, b in (("5a3e", "6b4f"), ("5a", "6b"), (file_of(results, "5a3e"), file_of(results, "6b4f")))
    }
    (output,) = outputs
    for words in (
        "A sweep 5a3e",
        "two runs of one machine",
        "openblas@numpy",
        "A faster",
        "    1  wrong in B",
        "is version 3 in A, 4 in B",
    ):
        assert words in output
    assert "only in A: B has it only" in output or "only in A: B did not ask it of vectorized" in output


def test_two_machines_by_id_by_folder_and_by_file(results: Path) -> None:
    by_id = mmbench(results, "zen5", "sapphirerapids-2c-00beef")
    assert by_id.exit_code == 0, by_id.output
    assert "runs of two machines" in " ".join(by_id.stdout.split())
    assert mmbench(results, str(results / ZEN), str(results / SPR)).stdout == by_id.stdout
    assert mmbench(results, str(results / ZEN / "machine.json"), "sapphire").stdout == by_id.stdout


def test_a_run_against_a_machine(results: Path) -> None:
    assert mmbench(results, "5a3e", "sapphire").exit_code == 0


def test_one_kernel_of_two_runs_even_at_two_versions(results: Path) -> None:
    result = mmbench(results, "5a3e:vectorized", "6b4f:vectorized")
    assert result.exit_code == 0, result.output
    assert "versions differ: 3 in A, 4 in B" in result.stdout
    across = mmbench(results, "zen5:openblas@numpy", f"{file_of(results, '7c5a')}:openblas@numpy")
    assert across.exit_code == 0, across.output
    assert "0.909x" in mmbench(results, "7c5a:openblas@numpy", "5a3e:openblas@numpy", "--full").stdout


def test_a_synthetic_machine_says_so(tmp_path: Path, results: Path) -> None:
    made_up = write_sweep(tmp_path / "made-up", plan(CELLS[:4]))
    other = write_sweep(tmp_path / "made-up", plan(CELLS[:4]), run=replace(RUN, id="ffff", started_at="2026-11-25T16:40:11Z"))
    result = mmbench(results, str(made_up), str(other))
    assert result.exit_code == 0, result.output
    assert "! synthetic: A and B are made up and were measured nowhere" in " ".join(result.stdout.split())


USAGE = [
    (["nosuch", "vectorized"], "there is no run, machine or kernel 'nosuch'"),
    (["vectorised", "openblas@debian"], "did you mean vectorized"),
    (["openblas", "vectorized"], "'openblas' could mean 2 kernels"),
    (["openblas*", "vectorized"], "openblas@debian, openblas@numpy"),
    (["vectorized", "vectorized"], "are the same"),
    (["5a3e", "5a3e"], "are the same: sweep 5a3e"),
    (["5a3e", "vectorized"], "only like with like"),
    (["5a3e:vectorized", "6b4f"], "write RUN:vectorized on both sides"),
    (["5a3e:mkl", "5a3e:vectorized"], "sweep 5a3e has no kernel 'mkl'"),
    (["5a3e:", "6b4f:"], "a name is missing on one side of the colon"),
    (["nosuch:vectorized", "5a3e:vectorized"], "there is no run or machine 'nosuch'"),
    (["5a3e:vectorized", "openblas@debian"], "write RUN:openblas@debian"),
    (["9e7c", "5a3e"], "this is a probe run, not a sweep"),
    (["5a3e", "20261101"], "20261101T000000Z-dead.jsonl"),
    (["2026", "5a3e"], "'2026' could mean"),
    (["", "5a3e"], "names nothing"),
    (["5a3e", "6b4f", "--run", "7c5a"], "--run says in which sweep kernels are looked for"),
    (["vectorized", "openblas@debian", "--run", "nosuch"], "there is no run or machine 'nosuch'"),
    (["5a3e", "6b4f", "-k", "nosuchword"], "-k 'nosuchword' selects no cell"),
    (["5a3e", "6b4f", "-k", "a and ("], "column 8: a word is missing"),
    (["5a3e", "6b4f", "-k", ""], "-k was given without a word"),
    (["5a3e", "6b4f", "--dtypes", "f33"], "there is no data type 'f33'"),
    (["5a3e", "6b4f", "--dtypes", "bf16"], "--dtypes bf16 selects no cell"),
    (["5a3e", "6b4f", "--fail-on", "5"], "--fail-on: '5' is not a share"),
    (["5a3e", "6b4f", "--fail-on", "everything"], "--fail-on: there is no 'everything'"),
    (["5a3e", "6b4f", "--sort", "size"], "'size' is not one of"),
    (["5a3e"], "'5a3e' alone is nothing to compare"),
    ([], "Missing argument 'A'"),
]


@pytest.mark.parametrize(("words", "message"), USAGE, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_bad_words_are_one_sentence(results: Path, words: list[str], message: str) -> None:
    result = mmbench(results, *words)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) <= 2
    assert not result.stdout


def test_a_folder_of_two_machines_is_ambiguous(results: Path) -> None:
    result = mmbench(results, str(results), "5a3e")
    assert result.exit_code == 2
    assert "holds sweeps of 2 machines" in result.stderr


def test_a_file_that_is_neither_run_nor_machine_is_refused(results: Path, tmp_path: Path) -> None:
    document = tmp_path / "out.json"
    document.write_text(mmbench(results, "5a3e", "6b4f", "--json").stdout)
    for path, message in ((document, "no machine can be read"), (Path(__file__), "line 1")):
        result = mmbench(results, str(path), "5a3e")
        assert result.exit_code == 2, result.output
        assert message in result.stderr


def test_an_id_that_is_a_run_and_a_kernel_is_ambiguous(tmp_path: Path) -> None:
    stored(tmp_path / "r", ZEN, "vectorized", 20, same)
    result = mmbench(tmp_path / "r", "vectorized", "openblas@debian")
    assert result.exit_code == 2
    assert "'vectorized' could mean sweep run" in result.stderr
    assert "kernel vectorized" in result.stderr
    assert mmbench(tmp_path / "r", "vectorized:vectorized", "vectorized:openblas@debian").exit_code == 0


NOTHING = [
    (["nowhere.jsonl", "5a3e"], "there is no file or folder 'nowhere.jsonl'"),
    (["5a3e", "./nowhere"], "there is no file or folder './nowhere'"),
    (["5a3e:vectorized", "7c5a:openblas@debian"], "differ in the machine and in the kernel"),
]


@pytest.mark.parametrize(("words", "message"), NOTHING, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_a_baseline_that_is_not_there_or_not_comparable_has_a_code_of_its_own(results: Path, words: list[str], message: str) -> None:
    result = mmbench(results, *words)
    assert result.exit_code == 5, result.output
    assert message in result.stderr


def test_nothing_in_common_says_why(tmp_path: Path) -> None:
    first = stored(tmp_path / "r", ZEN, "aaaa", 20, lambda made: made if made.variant.kernel == "vectorized" else None)
    second = stored(tmp_path / "r", ZEN, "bbbb", 21, lambda made: made if made.variant.kernel != "vectorized" else None)
    for rule in ([], ["--fail-on", "5%"], ["--fail-on", "5%,slower"]):
        result = mmbench(tmp_path / "r", str(first), str(second), *rule)
        assert result.exit_code == 5, result.output
        assert "no cell of sweep aaaa (A) can be compared with one of sweep bbbb (B)" in result.stderr
        assert "B has no kernel vectorized (8)" in result.stderr


def test_an_empty_store_says_what_to_run(tmp_path: Path) -> None:
    result = mmbench(tmp_path / "nothing", "vectorized", "openblas")
    assert result.exit_code == 5
    assert "run mmbench sweep first" in result.stderr
    assert "no sweep is stored in" in result.stderr
    folder = tmp_path / "only-probed" / ZEN
    save_machine(folder.parent, replace(synthetic_machine(), id=ZEN))
    probed = mmbench(folder.parent, str(folder), ZEN)
    assert probed.exit_code == 5
    assert f"no sweep of {ZEN} is stored" in probed.stderr


@pytest.mark.parametrize(
    ("rule", "code", "message"),
    [
        ("5%", 4, "1 cell failed in B, 2 cells that A has and B lacks, 1 cell slower in B (--fail-on 5%)"),
        ("5%,slower", 1, "1 cell slower in B"),
        ("5%,wrong", 4, "1 cell failed in B, 1 cell slower in B"),
        ("5%,missing", 4, "2 cells that A has and B lacks, 1 cell slower in B"),
        ("5%,crashed", 1, "1 cell slower in B"),
        ("50%,crashed", 0, ""),
        ("50%,slower,inconclusive", 3, "1 cell that may be slower in B"),
    ],
)
def test_the_rule(results: Path, rule: str, code: int, message: str) -> None:
    words = ["5a3e", "6b4f", "-k", "vectorized", "--fail-on", rule]
    result = mmbench(results, *words)
    assert result.exit_code == code, result.output
    assert "--fail-on: exit " in result.stdout
    if message:
        assert message in result.stderr
    document = json.loads(mmbench(results, *words, "--json").stdout)
    assert document["ruling"]["exit_code"] == code


def test_a_rule_says_what_it_does_not_judge(results: Path) -> None:
    words = " ".join(mmbench(results, "5a3e", "6b4f", "--fail-on", "50%,slower").stdout.split())
    assert "not judged: 1 cell that failed in B and 2 cells that A has and B lacks" in words
    assert "nothing that it names" in words


def test_a_run_against_its_like_passes(results: Path) -> None:
    result = mmbench(results, "5a3e", "6b4f", "-k", "openblas", "--fail-on", "5%")
    assert result.exit_code == 0, result.output
    assert "A is faster in 0 and B in 0" in result.stdout or "sweep 5a3e is faster in 0 and sweep 6b4f in 0" in result.stdout


def test_one_json_document(results: Path) -> None:
    result = mmbench(results, "vectorized", "openblas@debian", "--json", "--dtypes", "f64")
    document = json.loads(result.stdout)
    jsonschema.validate(document, compare_schema())
    assert (document["schema"], document["kind"]) == (1, "comparison")
    assert {pair["case"]["dtype"] for pair in document["pairs"]} == {"f64"}
    assert document["mean"]["n"] == len(document["pairs"]) == 2
    assert document["a"]["runs"] == ["7c5a"]
    assert set(document["pairs"][0]["ratio"]) == {"value", "low", "high"}
    assert document["ruling"] is None


def test_expressions_look_at_cells_origins_and_kernels(results: Path) -> None:
    def found(expression: str) -> int:
        return len(json.loads(mmbench(results, "5a3e", "7c5a", "-k", expression, "--json").stdout)["pairs"])

    assert found("bert") == 12
    assert found("vectorized") == 8
    assert found("vectorized and not f64") == 6
    assert found("64x64x64 or 72x64x64") == 6


def test_the_order_of_the_table(results: Path) -> None:
    def cells(*words: str) -> list[str]:
        return re.findall(r"^(f\d\d \S+)", mmbench(results, "vectorized", "openblas@debian", *words).stdout, flags=re.MULTILINE)

    by_name = cells("--sort", "name")
    assert by_name == sorted(by_name, key=lambda text: (text[:3], int(text[4:].split("x")[0])))
    assert sorted(cells()) == sorted(by_name)


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("more", [(), ("--full",), ("--fail-on", "5%")])
def test_nothing_is_wider_than_the_screen(results: Path, columns: int, more: tuple[str, ...]) -> None:
    for words in (("5a3e", "6b4f"), ("zen5", "sapphire"), ("vectorized", "openblas@numpy")):
        result = mmbench(results, *words, *more, columns=columns)
        assert max(map(len, result.stdout.splitlines())) <= columns


def test_ascii_and_colour_say_the_same(results: Path) -> None:
    words = ["compare", "vectorized", "openblas@numpy"]
    plain = CliRunner().invoke(main.cli, ["--results", str(results), "--ascii", *words]).stdout
    assert plain.isascii()
    base = CliRunner().invoke(main.cli, ["--results", str(results), *words]).stdout
    coloured = CliRunner().invoke(main.cli, ["--results", str(results), "--color", *words], color=True).stdout
    assert coloured != base
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == base


def test_hostile_names_do_no_harm(tmp_path: Path) -> None:
    evil = "\x1b[31mopen\u202eblas<script>" + "x" * 5000

    def change(made: Measurement) -> Measurement:
        if made.variant.kernel != "openblas@numpy":
            return made
        return replace(made, variant=replace(made.variant, kernel=evil, version=evil), origin=evil, reason=evil)

    first, second = (stored(tmp_path / "r", ZEN, run, 20 + i, change) for i, run in enumerate(("aaaa", "bbbb")))
    result = mmbench(tmp_path / "r", str(first), str(second), "--fail-on", "5%")
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.stdout
    assert "\u202e" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    missing = stored(tmp_path / "r", ZEN, "cccc", 23, lambda made: change(made) if made.variant.kernel == "vectorized" else None)
    gone = mmbench(tmp_path / "r", str(first), str(missing), "--fail-on", "5%")
    assert gone.exit_code == 4
    assert "\x1b" not in gone.output


def test_damaged_lines_are_told_and_left_out(tmp_path: Path) -> None:
    first, second = (stored(tmp_path / "r", ZEN, run, 20 + i, same) for i, run in enumerate(("aaaa", "bbbb")))
    with second.open("a") as file:
        file.write('{"event":"row","at":"x","payload":{"case":{"m":-5}}}\n{"event":"ro')
    result = mmbench(tmp_path / "r", str(first), str(second))
    assert result.exit_code == 0, result.output
    assert "the line was skipped" in result.stderr
    assert "torn" in result.stderr


def test_the_screens(results: Path, golden: Callable[[str, str], None]) -> None:
    golden("compare-libraries.txt", mmbench(results, "vectorized", "openblas@numpy", "--run", "5a3e").stdout)
    golden(
        "compare-runs-60-ascii.txt",
        CliRunner()
        .invoke(main.cli, ["--results", str(results), "--ascii", "compare", "5a3e", "6b4f", "--fail-on", "5%"], env={"COLUMNS": "60"})
        .stdout,
    )
    golden("compare-machines-120-full.txt", mmbench(results, "zen5", "sapphire", "--full", columns=120).stdout)
