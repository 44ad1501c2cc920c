"""Apple's BNNS, which does not run here: its adapter with a stand-in that reads the descriptors as Apple's header lays them out.

The stand-in is written against the structure of bnns_structures.h and the layouts of Apple's documentation, not against the adapter: it
looks at every field, refuses what it does not know, and multiplies naively. That the vendor's own library does so too is not tested.
"""

import ctypes
import os
import shutil
import subprocess

import pytest
from mmbench.configs.cases import Case, Status
from mmbench.configs.codec import decode, encode
from mmbench.configs.plan import Entrant, Opened
from mmbench.kernels.entrants import find_entrants
from mmbench.kernels.host import Host
from mmbench.kernels.measure.worker import Worker, WorkerError
from mmbench.kernels.vendor import accelerate, bnns
from mmbench.kernels.vendor.library import library

HOST = Host.of(None, tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else (0,))
SESSION = "mmbench.kernels.session"
SOURCE = r"""
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
typedef struct {
  uint32_t flags; uint32_t layout; size_t size[8]; size_t stride[8]; void *data; uint32_t data_type;
  void *table_data; uint32_t table_data_type; float data_scale; float data_bias;
} Array;
typedef struct { uint32_t flags; size_t n_threads; void *allocate; void *release; } Parameters;
enum { MATRIX = 0x20000, STACK = 0x30000, FLOAT = 0x10000, INT = 0x20000, UINT = 0x40000 };
size_t places(size_t which) {
  size_t all[] = {sizeof(Array), offsetof(Array, stride), offsetof(Array, data), offsetof(Array, data_type), offsetof(Array, table_data),
                  offsetof(Array, data_scale), offsetof(Array, data_bias), sizeof(Parameters), offsetof(Parameters, n_threads)};
  return all[which];
}
static bool known(uint32_t t) {
  bool whole = t == (INT | 8) || t == (UINT | 8) || t == (INT | 32);
  return t == (FLOAT | 32) || t == (FLOAT | 16) || t == (FLOAT | 0x8000 | 16) || (WHOLE && whole);
}
static double get(const Array *x, size_t i, size_t j, size_t p) {
  size_t at = j * x->stride[0] + i * x->stride[1] + (x->layout == STACK ? p * x->stride[2] : 0);
  if (x->data_type == (FLOAT | 32)) return ((float *)x->data)[at];
  if (x->data_type == (FLOAT | 16)) return (float)((_Float16 *)x->data)[at];
  if (x->data_type == (INT | 8)) return ((int8_t *)x->data)[at];
  if (x->data_type == (UINT | 8)) return ((uint8_t *)x->data)[at];
  uint32_t bits = (uint32_t)((uint16_t *)x->data)[at] << 16; float value; memcpy(&value, &bits, 4); return value;
}
static void put(const Array *x, size_t i, size_t j, size_t p, double value) {
  size_t at = j * x->stride[0] + i * x->stride[1] + (x->layout == STACK ? p * x->stride[2] : 0);
  if (x->data_type == (FLOAT | 32)) ((float *)x->data)[at] = (float)value;
  else if (x->data_type == (FLOAT | 16)) ((_Float16 *)x->data)[at] = (_Float16)(float)value;
  else if (x->data_type == (INT | 32)) ((int32_t *)x->data)[at] = (int32_t)value;
  else {
    float narrow = (float)value; uint32_t bits; memcpy(&bits, &narrow, 4);
    ((uint16_t *)x->data)[at] = isnan(narrow) ? 0x7FC0 : (uint16_t)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
  }
}
ssize_t BNNSMatMulWorkspaceSize(bool ta, bool tb, float alpha, const Array *a, const Array *b, const Array *c, const Parameters *p) {
  const Array *all[] = {a, b, c};
  for (int i = 0; i < 3; i++) {
    const Array *x = all[i];
    if (x->flags || x->table_data || x->data_bias != 0 || x->data_scale != 1 || !known(x->data_type)) return -1;
    if (x->layout != MATRIX && x->layout != STACK) return -1;
    if (x->stride[0] != 1 || x->stride[1] < x->size[0]) return -1;
    if (x->layout == STACK && (x->size[2] != c->size[2] || x->stride[2] < x->size[1] * x->stride[1])) return -1;
  }
  if (c->size[1] != a->size[ta ? 0 : 1] || c->size[0] != b->size[tb ? 1 : 0] || a->size[ta ? 1 : 0] != b->size[tb ? 0 : 1]) return -1;
  return p->n_threads < 1 || p->allocate || p->release ? -1 : 640;
}
int BNNSMatMul(bool ta, bool tb, float alpha, const Array *a, const Array *b, const Array *c, void *workspace, const Parameters *p) {
  if (!workspace || BNNSMatMulWorkspaceSize(ta, tb, alpha, a, b, c, p) != 640) return -1;
  memset(workspace, 0x55, 640);
  for (size_t z = 0; z < (c->layout == STACK ? c->size[2] : 1); z++)
    for (size_t i = 0; i < c->size[1]; i++) for (size_t j = 0; j < c->size[0]; j++) {
      double sum = 0;
      for (size_t k = 0; k < a->size[ta ? 1 : 0]; k++)
        sum += (ta ? get(a, k, i, z) : get(a, i, k, z)) * (tb ? get(b, j, k, z) : get(b, k, j, z));
      put(c, i, j, z, alpha * sum);
    }
  return 0;
}
"""


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    """Paths of two stand-ins: one that takes floats only, and one that takes bytes too."""
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs gcc")
    folder = tmp_path_factory.mktemp("bnns")
    source = folder / "it.c"
    source.write_text(SOURCE, encoding="utf-8")
    paths = [folder / name for name in ("floats.so", "bytes.so")]
    for whole, path in enumerate(paths):
        subprocess.run([compiler, "-O1", "-shared", "-fPIC", f"-DWHOLE={whole}", "-o", str(path), str(source)], check=True)
    return [str(path) for path in paths]


@pytest.fixture(scope="module", params=[0, 1], ids=["floats", "bytes"])
def opened(request, builds):
    """Whether it takes bytes, a worker that has it loaded, and what it says."""
    entrant = Entrant("bnns@given", "library", "1", "", builds[request.param], "")
    with Worker() as worker:
        info = decode(Opened, worker.call(f"{SESSION}:open_kernel", {"entrant": encode(entrant), "host": encode(HOST)}, 60))
        yield bool(request.param), worker, info


def ask(worker, case):
    return worker.call(f"{SESSION}:prepare_case", {"case": encode(case), "thorough": False, "seed": 1}, 60)


def test_the_structures_lie_as_a_c_compiler_lays_them(builds):
    places = ctypes.CDLL(builds[0]).places
    array, parameters = bnns.Descriptor, bnns.Parameters
    ours = [ctypes.sizeof(array), array.stride.offset, array.data.offset, array.data_type.offset, array.table_data.offset]
    ours += [array.data_scale.offset, array.data_bias.offset, ctypes.sizeof(parameters), parameters.n_threads.offset]
    assert ours == [places(which) for which in range(len(ours))]
    assert (ours[0], ours[2], ours[3]) == (176, 136, 144)  # as read from the SDK of macOS 27


def test_the_numbers_of_types_are_those_of_apples_header():
    assert bnns.DATA_TYPES["bf16"] == 98320  # 0x10000 | 0x8000 | 16
    assert bnns.DATA_TYPES["f16"] == 65552
    assert bnns.DATA_TYPES["f32"] == 65568


@pytest.mark.parametrize("dtype", ["f32", "f16", "f16f16", "bf16", "bf16bf16"])
def test_floats_are_right_in_every_layout_and_batch(opened, dtype):
    _, worker, info = opened
    assert info.kernel == "bnns@given"
    assert info.threading == "its own"
    steps = "bias+relu" if dtype in ("f32", "f16", "bf16") else ""
    cases = [Case(9, 11, 13, dtype=dtype, layout=layout, alpha=0.5, epilogue=steps) for layout in ("nn", "nt", "tn", "tt")]
    cases += [Case(9, 11, 13, dtype=dtype, lda=20, ldb=17, ldc=15)]
    cases += [Case(9, 11, 13, dtype=dtype, batch=3, batch_kind=kind, layout="nt") for kind in ("strided", "same-a", "same-b")]
    for case in cases:
        answer = ask(worker, case)
        assert answer["status"] == Status.OK.value, f"{case.name}: {answer['reason']}"
        assert answer["variant"]["params"]["symbol"] == "BNNSMatMul"
        assert answer["sha"]
        if case.batch > 1:
            assert answer["variant"]["params"]["batch"] == "its own call"


@pytest.mark.parametrize("dtype", ["s8", "u8s8"])
def test_bytes_are_served_where_bnns_takes_them_and_refused_in_words_elsewhere(opened, dtype):
    takes, worker, _ = opened
    answer = ask(worker, Case(33, 47, 65, dtype=dtype, layout="nt"))
    assert answer["status"] == (Status.OK.value if takes else Status.SKIPPED.value), answer["reason"]
    assert takes or "takes no" in answer["reason"]


def test_what_it_lacks_is_told_before_it_is_loaded():
    told = {
        "double precision": Case(4, 4, 4, dtype="f64"),
        "no beta": Case(4, 4, 4, beta=1.0),
        "lists of pointers": Case(4, 4, 4, batch=2, batch_kind="pointers"),
        "size of 0": Case(4, 0, 4),
        "round": Case(4, 4, 4, dtype="bf16bf16", epilogue="relu"),
        "single precision": Case(4, 4, 4, dtype="s8", alpha=2.0),
    }
    for words, case in told.items():
        assert words in library("bnns").serves(case)
    assert not library("bnns").serves(Case(4, 4, 4, dtype="f16"))


def test_it_is_where_accelerate_is_and_elsewhere_the_reason_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(accelerate, "_PATH", str(tmp_path / "Accelerate"))
    monkeypatch.setattr("sys.platform", "darwin")
    assert [f.spec for f in bnns.LIBRARY.find()] == ["bnns@macos"]
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    found, absent = find_entrants(("bnns",))
    assert not found
    assert absent[0].reason.startswith("not for ")


def test_a_library_without_it_is_told_by_name(tmp_path):
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    source, path = tmp_path / "empty.c", tmp_path / "empty.so"
    source.write_text("int nothing(void) { return 0; }", encoding="utf-8")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(path), str(source)], check=True)
    entrant = Entrant("bnns@given", "library", "1", "", str(path), "")
    with Worker() as worker, pytest.raises(WorkerError, match="no function 'BNNSMatMul'"):
        worker.call(f"{SESSION}:open_kernel", {"entrant": encode(entrant), "host": encode(HOST)}, 60)
