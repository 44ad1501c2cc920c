"""What lists, `show` and `explain` say on narrow screens, of runs, and where only runs are stored."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import synthetic_sweep
from click.testing import CliRunner, Result
from mmbench.cli import main
from mmbench.cli.explain import reflowed, topic_text, topics
from mmbench.configs import store
from mmbench.configs.profiles import load_profile, profile_names
from mmbench.configs.runlog import RunWriter
from mmbench.kernels.host import Host
from mmbench.kernels.measure.affinity import allowed_cpus
from mmbench.kernels.plan import find_entrants, make_plan
from synthetic_machine import synthetic_machine


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", "")
    for name in ("MMBENCH_RESULTS", "MMBENCH_COLOR", "MMBENCH_ASCII"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def mmbench(*words: str) -> Result:
    return CliRunner().invoke(main.cli, ["--results", "results", *words])


def good(*words: str) -> str:
    result = mmbench(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("kind", ["kernels", "dtypes", "presets", "shapes", "probes", "targets", "runs"])
@pytest.mark.parametrize("width", [60, 80])
def test_a_list_fits_the_screen(kind: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    synthetic_sweep.write_sweep(Path("results"))
    monkeypatch.setenv("COLUMNS", str(width))
    lines = good("list", kind).splitlines()
    assert max(len(line) for line in lines) <= width
    names = [item.get("name", item.get("id")) for item in json.loads(good("list", kind, "--json"))["items"]]
    assert [line.split()[0] for line in lines[1:] if not line.startswith(" ")] == names  # each whole, and in a line of its own


def test_kernels_tell_a_librarys_version_from_its_packages() -> None:
    items = json.loads(good("list", "kernels", "--json"))["items"]
    numpys = [item for item in items if item["name"] == "openblas@numpy"]
    if not numpys:
        pytest.skip("needs openblas@numpy")
    stated, package = numpys[0]["library_version"], numpys[0]["package_version"]
    assert stated.startswith("0.")
    assert stated != package
    assert f"OpenBLAS ({stated}, of numpy {package})" in " ".join(good("list", "kernels").split())
    assert all(item["library_version"] == "" for item in items if item["kind"] == "own")


def test_a_preset_has_as_many_cells_in_the_list_as_in_its_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    budget = 4 << 30, "a fixed budget"
    monkeypatch.setattr("mmbench.kernels.plan.memory_budget_bytes", lambda: budget)
    cpus = allowed_cpus()
    counts = {item["name"]: item["cells"] for item in json.loads(good("list", "presets", "--json"))["items"]}
    assert list(counts) == profile_names()
    naive, _ = find_entrants(("naive",))
    for name in ("types", "threads", "layouts", "ci"):
        cells = load_profile(name).cells(len(cpus))
        assert counts[name] == len(make_plan(cells, naive, host=Host.of(None, cpus), budget_bytes=budget[0]).cells)
    every = load_profile("full").cells(len(cpus))
    assert counts["full"] < len(every)  # it asks for products that 4 GiB do not hold


def test_runs_say_what_a_sweep_was_and_whether_it_was_cut_off() -> None:
    results = Path("results")
    synthetic_sweep.write_sweep(results, end=False)
    synthetic_sweep.write_sweep(results, run=replace(synthetic_sweep.RUN, id="b0b0", started_at="2026-01-01T00:00:00Z"))
    with RunWriter(results).open(replace(synthetic_sweep.RUN, id="c0c0", started_at="2025-01-01T00:00:00Z")):
        pass
    items = {item["id"]: item for item in json.loads(good("list", "runs", "--json"))["items"]}
    cut, whole, bare = items[synthetic_sweep.RUN.id], items["b0b0"], items["c0c0"]
    assert (whole["preset"], whole["finished"], whole["cells"]) == ("quick", True, len(synthetic_sweep.plan().cells))
    assert cut["finished"] is False
    assert cut["rows"] == whole["rows"] == len(synthetic_sweep.rows_of(synthetic_sweep.plan()))
    assert cut["about"] == f"preset quick, {cut['cells']} cells, {cut['rows']} rows, unfinished"
    assert whole["about"] == f"preset quick, {cut['cells']} cells, {cut['rows']} rows"
    assert bare["about"] == "unfinished: it ended before its plan was written"
    assert good("list", "runs").count("unfinished") == 2


def test_show_takes_the_newest_run_where_no_machine_is_stored() -> None:
    path = synthetic_sweep.write_sweep(Path("results"))
    result = mmbench("show")
    assert result.exit_code == 0, result.output
    assert "no machine is stored in results: this is the newest run" in result.stderr
    assert result.stdout == good("show", str(path))
    store.save_machine(Path("results"), synthetic_machine())
    assert "Synthetic 4-core" in good("show")


def test_show_of_an_unknown_name_names_machines_and_runs() -> None:
    nothing = mmbench("show", "nosuch")
    assert nothing.exit_code == 2
    assert "no machine and no run 'nosuch' is stored in results\nhint: stored: none" in nothing.stderr
    synthetic_sweep.write_sweep(Path("results"))
    assert "hint: stored: 1 run (mmbench list runs)" in mmbench("show", "nosuch").stderr
    machine = synthetic_machine()
    store.save_machine(Path("results"), machine)
    assert f"hint: stored: {machine.id}; 1 run (mmbench list runs)" in mmbench("show", "nosuch").stderr
    assert "there is no file './gone'" in mmbench("show", "./gone").stderr


@pytest.mark.parametrize("words", [("show", ""), ("list", ""), ("explain", ""), ("emit", "")])
def test_an_empty_name_is_refused(words: tuple[str, ...]) -> None:
    result = mmbench(*words)
    assert (result.exit_code, result.stdout) == (2, "")


@pytest.mark.parametrize("topic", sorted(topics()))
def test_a_topic_is_filled_anew_on_a_narrow_screen(topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = topic_text(topic).removeprefix("# ")
    monkeypatch.setenv("COLUMNS", "60")
    shown = good("explain", topic)
    assert shown.split() == text.split()
    whole = tuple(line for line in text.splitlines() if line.startswith("    "))  # may be a command, which stays in one line
    for line in shown.splitlines():
        assert len(line) <= 60 or " " not in line or any(w.startswith(line) for w in whole)
    monkeypatch.setenv("COLUMNS", "80")
    assert good("explain", topic) == text


def test_tables_of_a_topic_are_wrapped_below_their_last_column() -> None:
    table = "    agrees         the interval covers the claim, and\n                   more\n"
    text = f"A title\n\n{table}    mmbench show --json | jq .caches[0].size.value\n"
    assert reflowed(text, 40).splitlines() == [
        "A title",
        "",
        *("    agrees         the interval covers", "                   the claim, and more"),
        "    mmbench show --json | jq .caches[0].size.value",
    ]
    narrow = reflowed("    <results>/<machine-id>/machine.json   what is known\n", 50)
    assert narrow.splitlines() == ["    <results>/<machine-id>/machine.json", "        what is known"]


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        ("naive", "is compiled as it runs"),
        ("vectorized", "name one: gemm-f32"),
        ("vectorized-unfused", "name one: gemm-f32"),
        ("openblas@numpy", "is a library"),
        ("gemm-f23", "did you mean gemm-f32"),
    ],
)
def test_emit_says_why_it_has_no_code_of_a_kernel(kernel: str, words: str) -> None:
    result = mmbench("emit", kernel)
    assert result.exit_code == 2
    assert words in result.stderr
    assert "unit-sve" not in result.stderr
