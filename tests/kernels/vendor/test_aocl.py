"""AOCL-BLAS: what the gate for all libraries does not ask (`test_vendor_libraries`): fused epilogues, its batches, long sums of bytes."""

import os
import subprocess
import sys

import pytest
from mmbench.configs.cases import Case, Status
from mmbench.configs.codec import decode, encode
from mmbench.configs.plan import Opened
from mmbench.kernels.entrants import find_entrants
from mmbench.kernels.host import Host
from mmbench.kernels.measure.worker import Worker
from mmbench.kernels.vendor import aocl_lpgemm as lpgemm
from mmbench.kernels.vendor.library import Found, library

HOST = Host.of(None, tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else (0,))
SESSION = "mmbench.kernels.session"
LONG_SUMS = """
import sys
import numpy as np
from mmbench.configs.cases import Case
from mmbench.configs.errors import NotPossibleError
from mmbench.kernels.host import Host
from mmbench.kernels.operands import Operands
from mmbench.kernels.vendor.library import library
from mmbench.kernels.verify import call

aocl = library("aocl")
aocl.load(aocl.find()[0])
random = np.random.default_rng(1)
for dtype, high in (("u8s8", 255), ("s8", 127)):
    for k in (500, 2000):
        case = Case(9, 37, k, dtype=dtype)
        try:
            prepared = aocl.prepare(case, Host.of(None, (0,)))
        except NotPossibleError as error:
            print("refused:", error.message)
            continue
        operands = Operands(case, "integers", timing=True)
        operands.a[...] = random.integers(high - 3, high + 1, operands.a.shape)
        operands.b[...] = random.integers(124, 128, operands.b.shape)
        call(prepared, operands)
        want = operands.a[0].astype(np.int64) @ operands.b[0].astype(np.int64)
        print(dtype, k, int(np.abs(operands.c[0] - want).max()), bool(prepared.warnings))
"""


@pytest.fixture(scope="module")
def entrants():
    """AOCL and its unfused twin."""
    found = [e for e in find_entrants(every_copy=True)[0] if e.library == "aocl"]
    if not found:
        pytest.skip("needs aocl")
    return found[:2]


@pytest.fixture(scope="module")
def workers(entrants):
    with Worker() as fused, Worker() as unfused:
        infos = []
        for worker, entrant in zip((fused, unfused), entrants, strict=True):
            arguments = {"entrant": encode(entrant), "host": encode(HOST)}
            infos.append(decode(Opened, worker.call(f"{SESSION}:open_kernel", arguments, 60)))
        yield fused, unfused, infos


def ask(worker, case):
    return worker.call(f"{SESSION}:prepare_case", {"case": encode(case), "thorough": False, "seed": 1}, 60)


def test_it_says_which_kernels_it_chose_and_its_twin_is_the_same_library(workers):
    _, _, (fused, unfused) = workers
    assert fused.kernel.startswith("aocl@")
    assert unfused.kernel.startswith("aocl-unfused@")
    assert fused.core
    assert (fused.version, fused.core, fused.files) == (unfused.version, unfused.core, unfused.files)
    assert fused.threading == "openmp"


@pytest.mark.parametrize("dtype", ["f32", "bf16", "bf16bf16"])
@pytest.mark.parametrize(
    "epilogue", ["bias", "relu", "gelu", "silu", "residual", "bias+relu", "bias+silu+residual", "bias+gelu+residual", "relu+residual"]
)
def test_epilogues_are_fused_and_right(workers, dtype, epilogue):
    for case in (Case(20, 24, 28, dtype=dtype, epilogue=epilogue), Case(35, 70, 300, dtype=dtype, epilogue=epilogue, alpha=0.5, beta=2.0)):
        answer = ask(workers[0], case)
        assert answer["status"] == Status.OK.value, answer["reason"]
        assert answer["variant"]["params"]["epilogue"] == "fused"
        assert answer["variant"]["params"]["symbol"].startswith("aocl_gemm_")


@pytest.mark.parametrize("layout", ["nt", "tn", "tt"])
def test_fused_epilogues_are_right_in_other_layouts_and_with_gaps(workers, layout):
    gaps = Case(33, 47, 65, layout=layout, lda=80, ldb=81, ldc=53, epilogue="bias+gelu+residual")
    for case in (gaps, Case(33, 47, 65, dtype="bf16", layout=layout, epilogue="bias+silu+residual", threads=min(2, len(HOST.cpus)))):
        answer = ask(workers[0], case)
        assert answer["status"] == Status.OK.value, answer["reason"]


def test_the_twin_does_it_apart_and_refuses_what_would_be_rounded_twice(workers):
    answer = ask(workers[1], Case(20, 24, 28, epilogue="bias+gelu"))
    assert answer["status"] == Status.OK.value, answer["reason"]
    assert answer["variant"]["kernel"].startswith("aocl-unfused@")
    assert answer["variant"]["params"] == {"symbol": "cblas_sgemm", "epilogue": "a pass of its own"}
    narrow = ask(workers[1], Case(20, 24, 28, dtype="bf16bf16", epilogue="bias+gelu"))
    assert narrow["status"] == Status.SKIPPED.value
    assert "round" in narrow["reason"]


def test_the_residual_of_a_batch_is_added_apart(workers):
    shared = ask(workers[0], Case(17, 19, 23, dtype="bf16", batch=3, epilogue="bias+relu"))
    own = ask(workers[0], Case(17, 19, 23, dtype="bf16", batch=3, epilogue="bias+relu+residual"))
    assert [a["status"] for a in (shared, own)] == [Status.OK.value] * 2
    assert [a["variant"]["params"]["epilogue"] for a in (shared, own)] == ["fused", "a pass of its own"]
    assert "round" in library("aocl").serves(Case(17, 19, 23, dtype="bf16bf16", batch=3, epilogue="residual"))


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize(("kind", "layout"), [("strided", "nn"), ("pointers", "tt"), ("same-a", "nt"), ("same-b", "tn")])
def test_batches_are_a_loop_on_one_thread_and_its_own_call_on_more(workers, dtype, kind, layout):
    for threads in (1, 2)[: len(HOST.cpus)]:
        case = Case(17, 19, 23, dtype=dtype, layout=layout, batch=4, batch_kind=kind, epilogue="residual", threads=threads)
        answer = ask(workers[1], case)
        assert answer["status"] == Status.OK.value, answer["reason"]
        assert answer["variant"]["params"]["batch"] == ("a loop" if threads == 1 else "its own call")


def test_which_releases_and_cases_are_fused():
    case = Case(8, 8, 8, epilogue="bias+gelu")
    assert [v for v in ("4.2.0", "5.0.1", "5.1.0", "5.3.0 Build 20260507", "5.4.0", "6.0", "") if lpgemm.fuses(case, v)] == [
        "5.1.0",
        "5.3.0 Build 20260507",
    ]
    refused = (
        Case(8, 8, 8),
        Case(8, 8, 8, dtype="f64", epilogue="bias"),
        Case(8, 8, 8, dtype="s8", epilogue="bias"),
        Case(8, 0, 8, epilogue="bias"),
        Case(8, 8, 8, batch=2, epilogue="residual"),
    )
    assert not any(lpgemm.fuses(other, "5.3.0") for other in refused)


def test_long_sums_of_bytes_are_exact_or_the_row_warns(entrants):
    """Seen in 5.3.0: sums are turned into single precision, so that those beyond 2^24 lose their last bits."""
    del entrants
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BLIS_", "AOCL_", "OMP_"))}
    done = subprocess.run([sys.executable, "-c", LONG_SUMS], capture_output=True, text=True, timeout=60, env=kept, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    for line in lines:
        if line.startswith("refused:"):
            assert "VNNI" in line
            continue
        dtype, k, error, warned = line.split()
        assert int(error) <= (0 if k == "500" else 64), line  # a few units in the last place of single precision, no garbage
        assert warned == str(k == "2000"), dtype


def test_when_sums_of_bytes_may_be_rounded():
    assert not lpgemm.rounded_sums(Case(8, 8, 514, dtype="u8s8"))
    assert "2^24" in lpgemm.rounded_sums(Case(8, 8, 515, dtype="u8s8"))
    assert not lpgemm.rounded_sums(Case(8, 8, 1024, dtype="s8"))
    assert "2^24" in lpgemm.rounded_sums(Case(8, 8, 1025, dtype="s8"))
    assert not lpgemm.rounded_sums(Case(8, 8, 9999, dtype="bf16"))


def test_products_that_would_read_behind_their_operands_are_refused(workers):
    """Seen in 5.3.0 with a trapping page behind B and A: the gate's own sizes are among them."""
    for case in (Case(7, 12, 10, dtype="s8", layout="nt"), Case(31, 1, 40, layout="tn", epilogue="relu")):
        answer = ask(workers[0], case)
        assert answer["status"] == Status.SKIPPED.value
        assert "behind a transposed" in answer["reason"] or "VNNI" in answer["reason"]
    for case in (Case(7, 12, 12, dtype="s8", layout="nt"), Case(7, 16, 10, dtype="s8", layout="tt"), Case(31, 1, 40, layout="tn")):
        assert not lpgemm.reads_behind(case, fused=False)
    assert ask(workers[1], Case(31, 1, 40, layout="tn", epilogue="relu"))["status"] == Status.OK.value


@pytest.mark.parametrize("layout", ["nt", "tt"])
def test_other_products_of_signed_bytes_with_b_transposed_are_right(workers, layout):
    answer = ask(workers[0], Case(33, 47, 65, dtype="s8", layout=layout))
    assert answer["status"] == Status.OK.value or "VNNI" in answer["reason"], answer["reason"]


def test_sizes_of_0_are_refused_before_lpgemm_prints_about_them():
    assert library("aocl").serves(Case(0, 4, 4, dtype="bf16"))
    assert not library("aocl").serves(Case(0, 4, 4))


@pytest.mark.parametrize(("path", "whose"), [("/opt/AMD/aocl/5.1/gcc/lib/libblis-mt.so", "aocl"), ("/usr/lib/libblis.so.4", "blis")])
def test_a_libblis_is_either_amd_s_or_the_project_s(monkeypatch, path, whose):
    for name in ("aocl", "blis"):
        module = sys.modules[type(library(name)).__module__]
        monkeypatch.setattr(module, "on_system", lambda library_name, _names: [Found(library_name, "somewhere", path)])
        assert (path in [f.path for f in library(name).find()]) == (name == whose)
