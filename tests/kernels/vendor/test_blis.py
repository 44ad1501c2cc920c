"""BLIS: both ways to call it, CBLAS and the typed interface, through the gate in every layout and kind of batch."""

import os

import pytest
from mmbench.configs.cases import Case, Status
from mmbench.configs.codec import decode, encode
from mmbench.configs.plan import Opened
from mmbench.kernels.entrants import find_entrants
from mmbench.kernels.host import Host
from mmbench.kernels.measure.worker import Worker
from mmbench.kernels.vendor.library import library

HOST = Host.of(None, tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else (0,))
SESSION = "mmbench.kernels.session"


def copy_from(where):
    """The copy of the distribution, or that of PyPI's package."""
    found = [e for e in find_entrants(every_copy=True)[0] if e.library == "blis"]
    chosen = [e for e in found if (e.kernel == "blis@blis") == (where == "package")]
    if not chosen:
        pytest.skip("needs blis" if where == "package" else "needs libblis")
    return chosen[0]


@pytest.fixture(scope="module", params=["package", "system"])
def opened(request):
    entrant = copy_from(request.param)
    with Worker() as worker:
        info = decode(Opened, worker.call(f"{SESSION}:open_kernel", {"entrant": encode(entrant), "host": encode(HOST)}, 60))
        yield request.param, worker, info


def ask(worker, case):
    return worker.call(f"{SESSION}:prepare_case", {"case": encode(case), "thorough": False, "seed": 1}, 60)


def test_it_says_what_it_is(opened):
    _, _, info = opened
    assert info.version[0].isdigit()
    assert info.core
    assert info.threading in ("sequential", "pthreads", "openmp", "openmp, pthreads")
    assert info.size_bytes > 1e6


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("layout", ["nn", "nt", "tn", "tt"])
def test_every_layout_with_scalars_and_gaps(opened, dtype, layout):
    where, worker, _ = opened
    for case in (
        Case(33, 47, 65, dtype=dtype, layout=layout, alpha=0.7, beta=1.3),
        Case(33, 47, 65, dtype=dtype, layout=layout, lda=70, ldb=71, ldc=72, epilogue="bias+silu+residual"),
    ):
        answer = ask(worker, case)
        assert answer["status"] == Status.OK.value, answer["reason"]
        assert answer["variant"]["params"]["symbol"].startswith("bli_" if where == "package" else "cblas_")


@pytest.mark.parametrize("kind", ["strided", "pointers", "same-a", "same-b"])
def test_batches_are_a_loop(opened, kind):
    _, worker, _ = opened
    answer = ask(worker, Case(17, 19, 23, layout="nt", batch=3, batch_kind=kind, epilogue="bias+relu"))
    assert answer["status"] == Status.OK.value, answer["reason"]
    assert answer["variant"]["params"]["batch"] == "a loop"


@pytest.mark.skipif(len(HOST.cpus) < 2, reason="needs two CPUs")
def test_threads_where_the_build_has_them(opened):
    _, worker, info = opened
    answer = ask(worker, Case(96, 80, 64, threads=2))
    if info.threading == "sequential":
        assert answer["status"] == Status.SKIPPED.value
        assert "no threads" in answer["reason"]
    else:
        assert answer["status"] == Status.OK.value, answer["reason"]


def test_it_has_no_narrow_types():
    for dtype in ("bf16", "f16", "s8", "u8s8"):
        assert library("blis").serves(Case(4, 4, 4, dtype=dtype))
