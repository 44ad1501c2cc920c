"""Sweeps written for other programs, and read back by these where they can be had."""

from __future__ import annotations

import csv
import io
import json
import statistics
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet
import pyperf
import pytest
from click.testing import CliRunner, Result
from mmbench.cli import main
from mmbench.configs.store import find_machine, load_machine, save_machine
from mmbench.configs.sweeplog import read_sweep
from mmbench.reports.flat import COLUMNS, flat_rows
from mmbench.reports.sweep_rows import each_s, sweep_document
from synthetic_machine import synthetic_machine
from synthetic_sweep import RUN, write_sweep


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder with a machine and one sweep of it."""
    save_machine(tmp_path / "results", replace(synthetic_machine(), id=RUN.machine_id))
    write_sweep(tmp_path / "results")
    return tmp_path / "results"


def mmbench(results: Path, *words: str) -> Result:
    return CliRunner().invoke(main.cli, ["--results", str(results), *words])


def written(results: Path, tmp_path: Path, form: str, *words: str) -> Path:
    out = tmp_path / f"it.{form}"
    result = mmbench(results, "export", form, *words, "-o", str(out))
    assert result.exit_code == 0, result.stderr
    return out


def timed(results: Path) -> dict[str, float]:
    """Median seconds a call of each kernel and case, straight from the samples."""
    sweep = read_sweep(next(results.glob("*/runs/*.jsonl")))
    rows = [row for row in sweep.rows if row.samples.time_s and row.status.value in ("ok", "noisy")]
    return {f"{r.variant.kernel}/{r.case.name.replace(' ', '/')}": statistics.median(each_s(r.samples)[0]) for r in rows}


def test_parquet_is_read_by_pyarrow_with_units_in_the_names(results: Path, tmp_path: Path) -> None:
    table = pyarrow.parquet.read_table(written(results, tmp_path, "parquet"))
    sweep = read_sweep(next(results.glob("*/runs/*.jsonl")))
    assert table.num_rows == len(sweep.rows)
    assert table.column_names == list(COLUMNS)
    whole = {name for name, values in table.to_pydict().items() if any(type(value) is int for value in values)}
    flat = next(flat_rows("m", sweep_document(sweep, None).rows))
    assert whole >= {name for name, value in flat.items() if type(value) is int}
    rows = {(row["kernel"], row["case_id"]): row for row in table.to_pylist()}
    for row in sweep.rows:
        flat = rows[row.variant.kernel, row.case.id]
        assert (flat["m"], flat["n"], flat["k"], flat["dtype"]) == (row.case.m, row.case.n, row.case.k, row.case.dtype)
        assert flat["status"] == row.status.value
        if flat["time_s"] is not None:
            assert flat["rate_op_per_s"] == pytest.approx(row.case.operations / flat["time_s"])
            assert flat["low_s"] <= flat["time_s"] <= flat["high_s"]
    assert any(row["time_s"] is None for row in rows.values())  # the rows that failed are there, too


def test_pyperf_reads_its_own_format(results: Path, tmp_path: Path) -> None:
    suite = pyperf.BenchmarkSuite.load(str(written(results, tmp_path, "pyperf", "5a3e")))
    wanted = timed(results)
    assert set(suite.get_benchmark_names()) == set(wanted)
    for benchmark in suite.get_benchmarks():
        assert benchmark.median() == pytest.approx(wanted[benchmark.get_name()])
        assert benchmark.get_metadata()["unit"] == "second"


def test_gbench_has_every_repetition(results: Path, tmp_path: Path) -> None:
    document = json.loads(written(results, tmp_path, "gbench").read_text())
    assert document["context"]["json_schema_version"] == 1
    times: dict[str, list[float]] = {}
    aggregates: dict[str, dict[str, float]] = {}
    for run in document["benchmarks"]:
        assert run["time_unit"] == "ns"
        if run["run_type"] == "aggregate":
            assert run["name"] == f"{run['run_name']}_{run['aggregate_name']}"
            assert run["aggregate_unit"] == ("percentage" if run["aggregate_name"] == "cv" else "time")
            aggregates.setdefault(run["run_name"], {})[run["aggregate_name"]] = run["real_time"]
            continue
        times.setdefault(run["run_name"], []).append(run["real_time"])
        assert run["repetitions"] > run["repetition_index"] >= 0
    assert {name: pytest.approx(statistics.median(each) * 1e-9) for name, each in times.items()} == timed(results)
    for name, each in times.items():
        mean, deviation = statistics.mean(each), statistics.stdev(each)
        wanted = {"mean": mean, "median": statistics.median(each), "stddev": deviation, "cv": deviation / mean}
        assert aggregates[name] == pytest.approx(wanted)


def test_gbench_says_where_it_ran(results: Path, tmp_path: Path) -> None:
    context = json.loads(written(results, tmp_path, "gbench").read_text())["context"]
    assert context["mhz_per_cpu"] == 4100  # the clock beside the samples
    machine = load_machine(find_machine(results))
    assert machine.topology is not None
    assert context["num_cpus"] == machine.topology.threads.value
    claimed = {(c.level, c.kind.capitalize(), c.size_bytes) for c in machine.cache_claims}
    assert claimed
    found = {(c["level"], c["type"], c["size"]) for c in context["caches"]}
    assert found
    assert found <= claimed
    assert len({(c["level"], c["type"]) for c in context["caches"]}) == len(context["caches"]) == len({c[:2] for c in claimed})
    next(results.glob("*/machine.json")).unlink()
    assert json.loads(written(results, tmp_path, "gbench").read_text())["context"]["caches"] == []


def test_csv_and_json_take_a_sweep_where_one_is_named(results: Path, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(written(results, tmp_path, "csv", "5a3e").read_text())))
    assert {row["kernel"] for row in rows} >= {"naive", "vectorized", "mkl@mkl"}
    assert json.loads(written(results, tmp_path, "json", "5a3e").read_text())["run_id"] == "5a3e"
    machine = list(csv.DictReader(io.StringIO(written(results, tmp_path, "csv").read_text())))
    assert "path" in machine[0]  # without a name: the machine, as ever
    path = next(results.glob("*/runs/*.jsonl"))
    assert written(results, tmp_path, "csv", str(path)).read_text().count("\n") == len(rows) + 1


@pytest.mark.parametrize("form", ["junit", "markdown"])
def test_what_a_sweep_exports_can_be_had_later(results: Path, tmp_path: Path, form: str) -> None:
    assert "vectorized" in written(results, tmp_path, form).read_text()


def test_what_cannot_be_exported_is_one_sentence(results: Path, tmp_path: Path) -> None:
    for words, code in (
        (("parquet", "nosuch"), 2),
        (("csv", "nosuch"), 2),
        (("gbench", "--curves"), 2),
        (("parquet", "-o", ""), 2),
        (("parquet", "-o", str(results)), 2),
    ):
        result = mmbench(results, "export", *words)
        assert result.exit_code == code, words
        assert result.stderr.startswith("error: ")
    empty = mmbench(tmp_path / "nothing", "export", "gbench")
    assert empty.exit_code == 2
    assert "no sweep or gate is stored" in empty.stderr
