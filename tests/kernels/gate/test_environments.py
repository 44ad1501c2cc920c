"""Another environment as a side: its own packages, this mmbench's own code, and words for what it lacks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from gate_environments import WORKER_NEEDS, bare_environment, fake_interpreter, linked_environment, packages_folder, pretend_installed
from mmbench.configs.cases import Case
from mmbench.configs.codec import decode, encode
from mmbench.configs.errors import Exit, NotPossibleError, UsageError
from mmbench.configs.gateplan import Side
from mmbench.configs.plan import Entrant, Opened
from mmbench.kernels.gate.environments import (
    LEAST_PYTHON,
    NEEDED,
    NUMBA,
    WITH_NUMBA,
    check_environment,
    check_unchanged,
    contents_of,
    environment_side,
    needed_by,
    with_packages,
    worker_command,
)
from mmbench.kernels.host import Host
from mmbench.kernels.measure.affinity import allowed_cpus
from mmbench.kernels.measure.worker import Worker
from mmbench.kernels.vendor.discovery import package_version
from source_tree import ROOT, project

SESSION = "mmbench.kernels.session"
OWN = Entrant("vectorized", "own", "1")
NAIVE = Entrant("naive", "own", "1")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with exactly what a worker needs, and with another mmbench, which nobody may import."""
    made = linked_environment(tmp_path_factory.mktemp("environments") / "other")
    decoy = packages_folder(made) / "mmbench"
    decoy.mkdir()
    (decoy / "__init__.py").write_text("raise ImportError('the wrong mmbench')\n", encoding="utf-8")
    return made


@pytest.fixture
def side(place: Path) -> Side:
    return environment_side(f"venv:{place}", "venv", place)


@pytest.fixture
def worker(side: Side) -> Iterator[Worker]:
    with Worker(worker_command(side)) as started:
        yield started


def opened(worker: Worker, entrant: Entrant) -> Opened:
    arguments = {"entrant": encode(entrant), "host": encode(Host.of(None, allowed_cpus()))}
    return decode(Opened, worker.call(f"{SESSION}:open_kernel", arguments, 60.0))


def test_a_library_of_the_other_environment_is_opened_there(side: Side, worker: Worker) -> None:
    found = {entrant.kernel: entrant for entrant in contents_of(side).entrants}
    if "openblas@numpy" not in found:
        pytest.skip("needs Linux")  # where NumPy's wheels carry OpenBLAS
    theirs = found["openblas@numpy"]
    assert Path(theirs.path).is_relative_to(Path(side.place).resolve())
    assert theirs.path in opened(worker, theirs).files
    assert worker.call(f"{SESSION}:ask_cases", {"cases": [encode(Case(8, 8, 8))]}, 60.0) == [""]


def test_a_product_is_proven_there_with_nothing_but_what_a_worker_needs(worker: Worker) -> None:
    assert opened(worker, OWN).kernel == "vectorized"
    asked = {"case": encode(Case(17, 9, 5)), "thorough": False, "seed": 1}
    answer = worker.call(f"{SESSION}:prepare_case", asked, 120.0)
    assert (answer["status"], answer["reason"]) == ("ok", "")


def test_the_environment_is_what_is_installed_in_it(side: Side, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "numpy.py").write_text("raise ImportError('from PYTHONPATH')\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    check_environment(side, [OWN])
    contents = contents_of(side, ("own/*",))
    assert contents.packages == {name: package_version(name) for name in WORKER_NEEDS}
    assert {e.kernel for e in contents.chosen} == {"vectorized", "vectorized-unfused"}  # numba, which the others need, is not there
    assert with_packages(side, contents).packages == contents.packages


def test_a_numba_that_is_too_old_counts_as_none(tmp_path: Path) -> None:
    place = linked_environment(tmp_path / "old")
    pretend_installed(place, "numba", "0.60.0")
    contents = contents_of(environment_side("venv:old", "venv", place))
    assert contents.packages["numba"] == "0.60.0"
    assert {e.kernel for e in contents.entrants if e.kind == "own"} == {"vectorized", "vectorized-unfused"}


def test_words_for_what_is_not_there_choose_nothing_there(side: Side) -> None:
    assert contents_of(side, ("mkl@nowhere", "no-such-kernel")).chosen == ()
    assert [e.kernel for e in contents_of(side, ("no-such-kernel", "vectorized")).chosen] == ["vectorized"]


def test_this_side_is_served_by_the_same_file() -> None:
    here = worker_command(Side("here"))
    assert here[-1] == worker_command(Side("venv:x", "venv", "python", "x"))[-1]
    with Worker(here) as started:
        assert opened(started, OWN).kernel == "vectorized"


def test_what_is_lacking_is_named_with_the_command_that_brings_it(tmp_path: Path) -> None:
    empty = bare_environment(tmp_path / "empty")
    with pytest.raises(NotPossibleError, match="lacks numpy, llvmlite and ml-dtypes: a worker needs that") as caught:
        check_environment(environment_side("venv:empty", "venv", empty), [OWN, NAIVE])
    assert caught.value.exit_code is Exit.NOT_POSSIBLE
    assert caught.value.hint.startswith(f"install it there: uv pip install --python {empty}/bin/python numpy=={package_version('numpy')} ")
    pretend_installed(empty, "pip", "25.0")
    with pytest.raises(NotPossibleError) as caught:
        check_environment(environment_side("venv:empty", "venv", empty), [OWN])
    assert f"{empty}/bin/python -m pip install numpy==" in caught.value.hint


def test_what_is_too_old_is_named_with_the_least_that_will_do(tmp_path: Path) -> None:
    place = bare_environment(tmp_path / "old")
    for name, version in (("numpy", "2.1.0"), ("llvmlite", "0.44.0"), ("ml-dtypes", "0.10.0")):
        pretend_installed(place, name, version)
    with pytest.raises(NotPossibleError, match=r"old has llvmlite 0\.44\.0, and 0\.45 is the least: a worker needs that"):
        check_environment(environment_side("venv:old", "venv", place), [OWN])


def test_numba_is_asked_for_where_no_kernel_runs_without_it(side: Side) -> None:
    check_environment(side, [NAIVE, OWN])
    with pytest.raises(NotPossibleError, match="lacks numba"):
        check_environment(side, [NAIVE])
    assert "numba" in needed_by([NAIVE, OWN])
    assert "numba" not in needed_by([OWN])


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("""echo '{"version": [3, 8, 10], "packages": {}}'""", r"has Python 3\.8\.10, and mmbench's workers need 3\.11"),
        ("echo 'Unknown option: -I' >&2; exit 2", "does not work: Unknown option: -I"),
        ("exit 3", "does not work: it ended with exit code 3"),
    ],
)
def test_an_interpreter_that_will_not_do(tmp_path: Path, script: str, says: str) -> None:
    place = fake_interpreter(tmp_path / "odd", script)
    with pytest.raises(NotPossibleError, match=says):
        check_environment(environment_side("venv:odd", "venv", place), [OWN])


def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    place = fake_interpreter(tmp_path / "odd", "")
    (place / "bin" / "python").write_bytes(b"\0\1\2")
    with pytest.raises(NotPossibleError, match="bin/python cannot be run: Exec format error"):
        check_environment(environment_side("venv:odd", "venv", place), [OWN])


def test_a_folder_without_python(tmp_path: Path) -> None:
    with pytest.raises(NotPossibleError, match="is no Python environment: it has no bin/python"):
        environment_side("venv:x", "venv", tmp_path)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(tmp_path / "gone")
    with pytest.raises(NotPossibleError, match="is a link to nothing"):
        environment_side("venv:x", "venv", tmp_path)


def test_a_worker_that_cannot_start_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    place = fake_interpreter(tmp_path / "odd", "echo 'no such luck' >&2; exit 1")
    with pytest.raises(NotPossibleError, match=rf"no worker can serve in {re.escape(str(place))}: ended with exit code 1 \(no such luck\)"):
        contents_of(environment_side("venv:odd", "venv", place))


def test_an_environment_that_changed_is_no_baseline_any_more(tmp_path: Path) -> None:
    place = bare_environment(tmp_path / "changing")
    pretend_installed(place, "numpy", "2.1.0")
    before = Side("venv:x", "venv", f"{place}/bin/python", str(place), {"numpy": "2.1.0"})
    check_unchanged(before)
    next(packages_folder(place).glob("numpy-*")).rename(packages_folder(place) / "gone")
    pretend_installed(place, "numpy", "2.2.0")
    with pytest.raises(UsageError, match=r"has changed since: numpy 2\.1\.0, now 2\.2\.0"):
        check_unchanged(before)


def test_what_a_worker_needs_is_what_the_package_declares() -> None:
    declared = {re.split("[>=]", line)[0]: line.partition(">=")[2] for line in project()["project"]["dependencies"]}
    for name, least in {**NEEDED, **NUMBA}.items():
        assert declared[name] == least
    assert project()["project"]["requires-python"] == ">=" + ".".join(map(str, LEAST_PYTHON))


def test_the_kernels_that_import_numba_are_those_that_say_so() -> None:
    folder = ROOT / "kernels"
    imports = re.compile(r"^from \.compiled import .*\bnumba\b", re.MULTILINE)
    users = {path.stem for path in folder.glob("*.py") if imports.search(path.read_text(encoding="utf-8"))}
    assert users == set(WITH_NUMBA)
