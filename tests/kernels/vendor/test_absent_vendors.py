"""NVPL, Arm Performance Libraries and Accelerate, none of which runs here: their adapters with stand-ins that speak as they do.

A stand-in is a C library that exports what the vendor's exports (names, widths of integers, version, threads) and multiplies naively. So
what is passed is tested, and what is said of the library; that the vendor's own library does as its documentation says is not.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from mmbench.configs.cases import Case, Status
from mmbench.configs.codec import decode, encode
from mmbench.configs.plan import Entrant, Opened
from mmbench.kernels.entrants import find_entrants
from mmbench.kernels.host import Host
from mmbench.kernels.measure.worker import Worker
from mmbench.kernels.vendor import accelerate, armpl, nvpl
from mmbench.kernels.vendor.library import Found, library

HOST = Host.of(None, tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else (0,))
SESSION = "mmbench.kernels.session"
GEMM = """
#include <stdint.h>
#include <stdlib.h>
typedef %(whole)s whole;
#define GEMM(name, symbol, in, value, real) \\
  void name(int, int, int, whole, whole, whole, real, const in *, whole, const in *, whole, real, real *, whole) __asm__(symbol); \\
  void name(int order, int ta, int tb, whole m, whole n, whole k, real alpha, const in *a, whole lda, const in *b, whole ldb, \\
            real beta, real *c, whole ldc) { \\
    if (order != 101) abort(); \\
    for (whole i = 0; i < m; i++) for (whole j = 0; j < n; j++) { \\
      real sum = 0; \\
      for (whole p = 0; p < k; p++) { \\
        in left = ta == 111 ? a[i * lda + p] : a[p * lda + i], right = tb == 111 ? b[p * ldb + j] : b[j * ldb + p]; \\
        sum += value(left) * value(right); \\
      } \\
      c[i * ldc + j] = alpha * sum + (beta == 0 ? 0 : beta * c[i * ldc + j]); \\
    } \\
  }
#define SAME(x) (x)
static float widened(uint16_t bits) { union { uint32_t u; float f; } word = { (uint32_t)bits << 16 }; return word.f; }
GEMM(single, "%(prefix)ssgemm%(suffix)s", float, SAME, float)
GEMM(twice, "%(prefix)sdgemm%(suffix)s", double, SAME, double)
static int threads = 4;
%(more)s
"""
NVPL_MORE = """
int nvpl_blas_get_version(void) { return 600; }
void nvpl_blas_set_num_threads(int n) { threads = n; }
int nvpl_blas_get_max_threads(void) { return threads; }
void cblas_sgemm_batch_64(int order, int *ta, int *tb, whole *m, whole *n, whole *k, float *alpha, const float **a, whole *lda,
    const float **b, whole *ldb, float *beta, float **c, whole *ldc, whole groups, whole *size) {
  for (whole g = 0; g < groups; g++) for (whole i = 0; i < size[g]; i++, a++, b++, c++)
    single(order, ta[g], tb[g], m[g], n[g], k[g], alpha[g], *a, lda[g], *b, ldb[g], beta[g], *c, ldc[g]);
}
"""
ARMPL_MORE = """
GEMM(narrow, "cblas_sbgemm", uint16_t, widened, float)
void armplversion(int *major, int *minor, int *patch, const char **tag) { *major = 26; *minor = 7; *patch = 0; *tag = ""; }
void armpl_set_num_threads(int n) { threads = n; }
"""
_ILP64 = "$NEWLAPACK$ILP64"
APPLE_MORE = "int BLASSetThreading(unsigned mode) { threads = mode ? 1 : 4; return mode > 1 ? -1 : 0; }"


@dataclass(frozen=True)
class StandIn:
    """What a vendor's library exports."""

    name: str
    prefix: str
    suffix: str
    whole: str
    more: str
    file: str
    version: str
    threading: str
    symbol: str


STAND_INS = {
    s.name: s
    for s in (
        StandIn("nvpl", "cblas_", "_64", "int64_t", NVPL_MORE, "libnvpl_blas_lp64_gomp.so", "0.6.0", "openmp", "cblas_sgemm_64"),
        StandIn("armpl", "cblas_", "", "int32_t", ARMPL_MORE, "libarmpl_lp64_mp.so", "26.7.0", "openmp", "cblas_sgemm"),
        StandIn("accelerate", "cblas_", _ILP64, "int64_t", APPLE_MORE, "Accelerate", "", "its own", f"cblas_sgemm{_ILP64}"),
    )
}


@pytest.fixture(scope="module", params=list(STAND_INS))
def opened(request, tmp_path_factory):
    """The stand-in, its path, a worker that has it loaded, and what it says."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs gcc")
    stand_in = STAND_INS[request.param]
    folder = tmp_path_factory.mktemp(stand_in.name)
    source, path = folder / "it.c", folder / stand_in.file
    words = {"whole": stand_in.whole, "prefix": stand_in.prefix, "suffix": stand_in.suffix, "more": stand_in.more}
    source.write_text(GEMM % words, encoding="utf-8")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", str(path), str(source)], check=True)
    entrant = Entrant(f"{stand_in.name}@given", "library", "1", "", str(path), "")
    with Worker() as worker:
        info = decode(Opened, worker.call(f"{SESSION}:open_kernel", {"entrant": encode(entrant), "host": encode(HOST)}, 60))
        yield stand_in, str(path), worker, info


def ask(worker, case):
    return worker.call(f"{SESSION}:prepare_case", {"case": encode(case), "thorough": False, "seed": 1}, 60)


def test_it_says_what_it_is(opened):
    stand_in, path, _, info = opened
    assert info.kernel == f"{stand_in.name}@given"
    assert stand_in.version in info.version
    assert info.threading == stand_in.threading
    assert info.files[0] == path
    assert info.size_bytes >= Path(path).stat().st_size


@pytest.mark.parametrize("dtype", ["f32", "f64", "bf16"])
def test_what_it_exports_is_called_rightly(opened, dtype):
    stand_in, _, worker, _ = opened
    cases = [Case(9, 11, 13, dtype=dtype, layout=layout, alpha=0.5, beta=2.0, epilogue="bias+relu") for layout in ("nn", "nt", "tn", "tt")]
    cases += [Case(9, 11, 13, dtype=dtype, batch=3, batch_kind=kind) for kind in ("strided", "pointers", "same-a", "same-b")]
    for case in cases:
        if dtype == "bf16" and stand_in.name != "armpl":
            assert library(stand_in.name).serves(case)
            continue
        answer = ask(worker, case)
        assert answer["status"] == Status.OK.value, answer["reason"]
        if dtype == "f32" and case.batch == 1:
            assert answer["variant"]["params"]["symbol"] == stand_in.symbol
        if case.batch > 1:
            own = stand_in.name == "nvpl" and dtype == "f32"
            assert answer["variant"]["params"]["batch"] == ("its own call" if own else "a loop")


@pytest.mark.skipif(len(HOST.cpus) < 2, reason="needs two CPUs")
def test_threads_are_asked_for_and_the_row_warns_where_they_cannot_be(opened):
    stand_in, _, worker, _ = opened
    answer = ask(worker, Case(9, 11, 13, threads=2))
    assert answer["status"] == Status.OK.value, answer["reason"]
    assert bool(answer["warnings"]) == (stand_in.name == "accelerate")
    assert not ask(worker, Case(9, 11, 13))["warnings"]


def test_a_library_without_its_functions_is_told_by_name(opened, tmp_path):
    stand_in, _, _, _ = opened
    source, path = tmp_path / "empty.c", tmp_path / stand_in.file
    source.write_text("int nothing(void) { return 0; }", encoding="utf-8")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(path), str(source)], check=True)
    text = (
        "from mmbench.configs.errors import NotPossibleError\n"
        "from mmbench.kernels.vendor.library import given, library\n"
        "try:\n"
        f"    library({stand_in.name!r}).load(given({stand_in.name!r}, {str(path)!r}))\n"
        "except NotPossibleError as error:\n"
        "    print(error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=True)
    assert stand_in.symbol in done.stdout


@pytest.mark.parametrize("name", list(STAND_INS))
def test_where_it_is_not_the_reason_says_for_whom_it_is(name, monkeypatch):
    monkeypatch.setattr(type(library(name)), "find", lambda _self: [])
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("sys.platform", "linux")
    found, absent = find_entrants((name,))
    assert not found
    assert [a.name for a in absent] == [name]
    assert absent[0].reason.startswith("not for ")


def test_nvpl_and_armpl_are_found_threaded_first(monkeypatch):
    names = {
        nvpl: ("libnvpl_blas_lp64_seq.so.0", "libnvpl_blas_lp64_gomp.so.0"),
        armpl: ("libarmpl_lp64.so", "libarmpl_lp64_mp.so"),
    }
    for module, files in names.items():

        def on_system(library_name, wanted, files=files):
            return [Found(library_name, "here", f"/opt/{f}") for w in wanted for f in files if f.startswith(w)]

        monkeypatch.setattr(module, "on_system", on_system)
        assert [f.path.rsplit("/", 1)[-1] for f in module.LIBRARY.find()][-2:] == [files[1], files[0]]


def test_accelerate_is_part_of_macos_and_of_nothing_else(monkeypatch, tmp_path):
    monkeypatch.setattr(accelerate, "_PATH", str(tmp_path / "Accelerate"))
    monkeypatch.setattr("sys.platform", "linux")
    assert accelerate.LIBRARY.find() == []
    monkeypatch.setattr("sys.platform", "darwin")
    assert [f.spec for f in accelerate.LIBRARY.find()] == ["accelerate@macos"]
