"""BLIS: both ways to call it, CBLAS and the typed interface, through the gate in every layout and kind of batch."""

import pytest
from mmbench.configs.cases import Case, Status
from mmbench.kernels.entrants import find_entrants
from mmbench.kernels.measure.worker import Worker
from mmbench.kernels.vendor.library import library
from vendor_opener import HOST, Opener


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
        yield request.param, Opener(entrant, worker)


def test_it_says_what_it_is(opened):
    info = opened[1].info
    assert info.version[0].isdigit()
    assert info.core
    assert info.threading in ("sequential", "pthreads", "openmp", "openmp, pthreads")
    assert info.size_bytes > 1e6


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("layout", ["nn", "nt", "tn", "tt"])
def test_every_layout_with_scalars_and_gaps(opened, dtype, layout):
    where, opener = opened
    for case in (
        Case(33, 47, 65, dtype=dtype, layout=layout, alpha=0.7, beta=1.3),
        Case(33, 47, 65, dtype=dtype, layout=layout, lda=70, ldb=71, ldc=72, epilogue="bias+silu+residual"),
    ):
        answer = opener.right(case)
        if answer is not None:
            assert answer["variant"]["params"]["symbol"].startswith("bli_" if where == "package" else "cblas_")


@pytest.mark.parametrize("kind", ["strided", "pointers", "same-a", "same-b"])
def test_batches_are_a_loop(opened, kind):
    answer = opened[1].right(Case(17, 19, 23, layout="nt", batch=3, batch_kind=kind, epilogue="bias+relu"))
    if answer is not None:
        assert answer["variant"]["params"]["batch"] == "a loop"


@pytest.mark.skipif(len(HOST.cpus) < 2, reason="needs two CPUs")
def test_threads_where_the_build_has_them(opened):
    opener, case = opened[1], Case(96, 80, 64, threads=2)
    if opener.info.threading == "sequential":
        answer = opener.ask(case)
        assert answer["status"] == Status.SKIPPED.value
        assert "no threads" in answer["reason"]
    else:
        opener.right(case)


def test_it_has_no_narrow_types():
    for dtype in ("bf16", "f16", "s8", "u8s8"):
        assert library("blis").serves(Case(4, 4, 4, dtype=dtype))
