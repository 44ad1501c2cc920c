"""Every vendor's library that is on this machine, in a worker of its own, through the gate: types, layouts, batches, epilogues, threads.

Results that are wrong on a chip are findings, not faults of these tests: `vendor_opener` lists them.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from mmbench.configs.cases import Case, Status
from mmbench.configs.dtypes import MIXES
from mmbench.configs.kernel_names import is_unfused
from mmbench.configs.plan import Entrant
from mmbench.kernels.entrants import find_entrants
from mmbench.kernels.measure.worker import Worker
from mmbench.kernels.vendor.library import library
from vendor_opener import HOST, SESSION, Opener

PLAIN = {"nn": "nn", "nt": "nt", "tn": "tn", "tt": "tt"}


@pytest.fixture(scope="module")
def libxsmm_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A shared library out of Debian's static one."""
    archive, compiler = Path("/usr/lib/libxsmm.a"), shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs gcc")
    if not archive.is_file():
        pytest.skip("needs libxsmm")
    path = tmp_path_factory.mktemp("libxsmm") / "libxsmm.so"
    whole = ["-Wl,--whole-archive", str(archive), "-Wl,--no-whole-archive", str(archive.with_name("libxsmmnoblas.a"))]
    subprocess.run([compiler, "-shared", "-o", str(path), *whole, "-lm", "-ldl", "-lpthread"], check=True)
    return str(path)


NAMES = ("openblas", "mkl", "aocl", "blis", "onednn", "onednn-gemm", "libxsmm")


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def copies(name: str, request: pytest.FixtureRequest) -> list[Entrant]:
    """Every copy of the library."""
    if name == "libxsmm":
        found, _ = find_entrants((f"{name}@given",), {name: request.getfixturevalue("libxsmm_path")})
    else:
        found = [e for e in find_entrants(every_copy=True)[0] if e.library == name and not is_unfused(e.kernel)]
    if not found:
        pytest.skip(f"needs {name}")
    return list(found)


@pytest.fixture(scope="module")
def opened(copies: list[Entrant]) -> Iterator[Opener]:
    """The newest copy, in a worker."""
    with Worker() as worker:
        yield Opener(copies[0], worker)


def cases_of(dtype: str) -> list[Case]:
    if MIXES[dtype].packed:
        return [Case(40, 128, 256, dtype=dtype, layout="nt")]
    plain = [Case(33, 47, 65, dtype=dtype, layout=layout) for layout in PLAIN]
    batches = [Case(17, 19, 23, dtype=dtype, batch=3, batch_kind=kind) for kind in ("strided", "pointers", "same-a", "same-b")]
    steps = "bias+relu+residual" if MIXES[dtype].integer else "bias+gelu+residual"
    return [*plain, *batches, Case(20, 24, 28, dtype=dtype, epilogue=steps), Case(33, 47, 65, dtype=dtype, lda=80, ldb=60, ldc=53)]


def test_it_says_what_it_is(name: str, copies: list[Entrant], opened: Opener) -> None:
    info = opened.info
    assert info.kernel == copies[0].kernel
    assert info.version
    assert info.size_bytes > 10_000
    assert info.files[0] == copies[0].path
    assert info.threading
    assert library(name).licence
    assert library(name).bring


@pytest.mark.parametrize("dtype", list(MIXES))
def test_what_it_serves_is_right_or_a_known_finding(name: str, dtype: str, opened: Opener) -> None:
    worker = opened.worker
    must = dtype == "f32" or (dtype == "f64" and not name.startswith("onednn"))
    for case in cases_of(dtype):
        if library(name).serves(case):
            continue
        answer = opened.ask(case)
        if opened.known(case, answer):
            continue
        refused = answer["status"] == Status.SKIPPED.value and (not must or (name == "libxsmm" and case.layout[1] == "t"))
        assert answer["status"] == Status.OK.value or refused, f"{case.name}: {answer['status']}: {answer['reason']}"
        assert answer["variant"]["version"]
        if answer["status"] == Status.OK.value:
            turn = worker.call(f"{SESSION}:take_turn", {"turn_s": 0.001}, 60)
            assert min(turn["time_s"]) > 0
            assert worker.call(f"{SESSION}:finish_case", {}, 60)["problem"] == ""


def test_every_copy_opens_and_multiplies(copies: list[Entrant]) -> None:
    for entrant in copies[1:]:
        with Worker() as worker:
            opener = Opener(entrant, worker)
            assert opener.info.version
            for dtype in ("f32", "f64"):
                if not library(entrant.library).serves(Case(33, 47, 65, dtype=dtype)):
                    opener.right(Case(33, 47, 65, dtype=dtype))


@pytest.mark.skipif(len(HOST.cpus) < 2, reason="needs two CPUs")
def test_two_threads_are_right_where_it_has_them(name: str, opened: Opener) -> None:
    case = Case(30, 40, 50, threads=2)
    answer = opened.ask(case)
    refused = Status.SKIPPED.value if library(name).serves(case) else Status.OK.value
    assert opened.known(case, answer) or answer["status"] in (Status.OK.value, refused), answer["reason"]
    opened.right(Case(30, 40, 50))


def test_a_fused_epilogue_says_so_and_its_twin_does_it_apart(name: str, copies: list[Entrant]) -> None:
    if not library(name).unfused:
        assert not [e for e in find_entrants(every_copy=True)[0] if e.kernel.startswith(f"{name}-unfused@")]
        return
    done = {}
    for suffix in ("", "-unfused"):
        entrant = next(e for e in find_entrants(every_copy=True)[0] if e.kernel == copies[0].kernel.replace("@", f"{suffix}@", 1))
        with Worker() as worker:
            answer = Opener(entrant, worker).ask(Case(64, 64, 64, epilogue="bias+gelu+residual"))
            assert answer["status"] == Status.OK.value, answer["reason"]
            assert answer["variant"]["kernel"] == entrant.kernel
            done[suffix] = answer["variant"]["params"]["epilogue"]
    assert done == {"": "fused", "-unfused": "a pass of its own"}
