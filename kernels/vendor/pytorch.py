"""Call PyTorch: `torch.mm`, `bmm` and friends, on the processor or on the device that it drives (cuBLAS, hipBLASLt, MPS, oneMKL).

Served: f64, f32, f16 and bf16 in and out of one type (sums in single); their products with single-precision results where PyTorch has them
(`torch.mm` with `out_dtype`: CUDA and XPU, not the processor); bytes through `torch._int_mm` and 8-bit floats through `torch._scaled_mm`
with scales of 1, both private and the only such products there are. What a device does not take (8-bit floats on CUDA want B as [n][k], and
k and n in sixteens) is refused in PyTorch's own words. 4-bit weights are not served: its packed product (`_weight_int4pack_mm`) gives
results of the activations' own 16-bit type, where these types of product give single precision.

Bias is fused by `addmm`; activations and the residual are elementwise operations of their own. The reductions in half precision that
PyTorch allows itself on CUDA are switched off.
Source: docs.pytorch.org (torch.mm, torch.bmm); the private products as in 2.14, called there on a processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...configs.cases import Case, Variant
from ...configs.dtypes import ELEMENTS, MIXES
from ...configs.errors import NotPossibleError
from ..epilogue import rounds_early
from ..host import Host
from ..registry import Prepared
from .environment import overrides, warnings_of
from .framework import Framework, device_index, imported, package_sha, problems
from .library import Found, Loaded

if TYPE_CHECKING:
    from ..operands import Operands

_GELU = "tanh"
_BYTES, _EIGHT_BITS, _SINGLE_OUT = ("s8", "u8s8"), ("e4m3", "e5m2"), ("f16", "bf16")
_SINGLE_OUT_DEVICES = ("cuda", "xpu")
_ALONE = {**dict.fromkeys(_BYTES, "torch._int_mm"), **dict.fromkeys(_EIGHT_BITS, "torch._scaled_mm")}
_FOUR_BITS = "PyTorch's product with 4-bit weights gives 16-bit results, and those of this type are in single precision"
_BLOCKS = "PyTorch multiplies 4-bit floats on NVIDIA's Blackwell chips only, and is not asked to here"
_VIEWS = {"bfloat16": np.int16, "float8_e4m3fn": np.uint8, "float8_e5m2": np.uint8}  # of what NumPy's bridge has no word for


class PyTorch(Framework):
    """PyTorch on one of its devices."""

    name = "torch"
    title = "PyTorch"
    licence = "BSD-3-Clause"
    bring = "pip install torch"
    package = "torch"
    packages = ("torch", "triton", "nvidia-*")
    version = "2"
    prefixes = ("TORCH_", "PYTORCH_", "OMP_", "KMP_", "MKL_", "ONEDNN_", "DNNL_", "CUDA_", "CUBLAS_", "NVIDIA_", "HIP", "ROC", "GOMP_")
    devices: ClassVar[dict[str, str]] = {"cuda": "cuda", "rocm": "cuda", "mps": "mps", "xpu": "xpu"}
    dtypes: ClassVar[dict[str, str]] = {
        name: ELEMENTS[MIXES[name].a].numpy for name in ("f64", "f32", "f16f16", "bf16bf16", "f16", "bf16", "s8", "u8s8", "e4m3", "e5m2")
    }
    source = "https://docs.pytorch.org/docs/stable/generated/torch.mm.html"

    def __init__(self) -> None:
        self._torch: Any = None
        self._device, self._device_name, self._sha = "cpu", "", ""

    def serves(self, case: Case) -> str:
        """As every framework; bytes and 8-bit floats one problem at a time; an epilogue only where the product is not rounded before it."""
        if case.dtype.startswith("int4"):
            return _FOUR_BITS
        if case.dtype.endswith("fp4"):
            return _BLOCKS
        reason = super().serves(case) or rounds_early(case)
        if not reason and case.dtype in _ALONE and case.batch > 1:
            return f"{_ALONE[case.dtype]} takes one problem"
        if not reason and case.dtype in _EIGHT_BITS and case.k == 0:
            return "torch._scaled_mm returns memory that was never set where k is 0"
        if not reason and case.dtype in _BYTES and case.epilogue:
            return "torch._int_mm takes no epilogue"
        return reason

    def load(self, found: Found) -> Loaded:
        """Import torch and look for the device."""
        torch: Any = imported("torch", self.title)
        device = found.origin
        kind, index = device_index(device)
        if kind != "cpu":
            backend = torch.backends.mps if kind == "mps" else getattr(torch, kind, None)
            count = 0 if backend is None or not backend.is_available() else 1 if kind == "mps" else int(backend.device_count())
            if index >= count:
                told = f"finds {count} of {kind} here, no '{device}'" if count else f"finds no device '{device}' here"
                raise NotPossibleError(f"PyTorch {torch.__version__} {told}", "its build must be the device's own")
        self._torch, self._device = torch, device
        self._device_name = _device_name(torch, kind, device)
        if kind == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = False
            torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
            torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
        self._sha = package_sha(self.package, f"*torch_{kind}.*")
        files, size = self.on_disk(found)
        set_here = overrides(self.prefixes)
        core = f"{self._device_name}" if kind != "cpu" else str(torch.backends.cpu.get_cpu_capability())
        return Loaded(str(torch.__version__), core, _threading(torch), files, size, tuple(set_here), tuple(warnings_of(set_here)))

    def _refused(self, case: Case) -> str:
        """Empty, or why this device does not answer the case."""
        kind = self._device.split(":")[0]
        if kind == "mps" and case.dtype == "f64":
            return "Apple's MPS has no double precision"
        if case.dtype in _SINGLE_OUT:
            if kind not in _SINGLE_OUT_DEVICES:
                return f"PyTorch gives single precision from {case.mix.a} operands on CUDA and XPU only ({case.dtype * 2} is served)"
            if "dtype" not in self._torch.ops.aten.mm.overloads():
                return f"PyTorch {self._torch.__version__} has no product of {case.mix.a} with single-precision results"
        return "PyTorch multiplies unsigned by signed bytes on the processor only" if case.dtype == "u8s8" and kind != "cpu" else ""

    def prepare(self, case: Case, host: Host, *, fused: bool = True) -> Prepared:
        """Tensors on the device, and a call that ends when the device has finished."""
        del host, fused
        torch = self._torch
        refused = self._refused(case)
        if refused:
            raise NotPossibleError(refused)
        torch.set_num_threads(case.threads)
        torch.set_grad_enabled(False)
        params = {"device": self._device, "device_name": self._device_name, "timed": "from Python"}
        variant = Variant(f"torch@{self._device}", str(torch.__version__), self._device_name, dict(params))
        return Prepared(variant, python=lambda operands: _Call(torch, self._device, case, operands), sha=self._sha)


def _device_name(torch: Any, kind: str, device: str) -> str:
    if kind in ("cuda", "xpu"):
        return str(getattr(torch, kind).get_device_name(device))
    return "Apple MPS" if kind == "mps" else "CPU"


def _threading(torch: Any) -> str:
    words = [line.strip() for line in str(torch.__config__.parallel_info()).splitlines() if "parallel backend" in line.lower()]
    return words[0].split(":")[-1].strip() if words else ""


class _Call:
    """One set of operands on the device."""

    def __init__(self, torch: Any, device: str, case: Case, operands: Operands) -> None:
        self._torch, self._case, self._operands = torch, case, operands
        self._device, self._kind = device, device.split(":")[0]
        self._tried = False
        batched = case.batch > 1
        a = self._tensor(operands.a, *case.rows_a, device)
        b = self._tensor(operands.b, *case.rows_b, device)
        self._a = a.transpose(-1, -2) if case.layout[0] == "t" else a
        self._b = b.transpose(-1, -2) if case.layout[1] == "t" else b
        if not batched:
            self._a, self._b = self._a[0], self._b[0]
        else:
            self._a, self._b = self._a.expand(case.batch, -1, -1), self._b.expand(case.batch, -1, -1)
        self._bias = None if operands.bias is None else self._vector(operands.bias, device)
        self._residual = None if operands.residual is None else self._tensor(operands.residual, case.m, case.n, device)
        if self._residual is not None and not batched:
            self._residual = self._residual[0]
        shape = (case.batch, case.m, case.n) if batched else (case.m, case.n)
        self._out = getattr(torch, ELEMENTS[case.mix.c].numpy)
        self._c = torch.empty(shape, dtype=self._out, device=device)
        self._one = torch.ones((), dtype=torch.float32, device=device) if case.dtype in _EIGHT_BITS else None

    def _tensor(self, stored: Any, rows: int, columns: int, device: str) -> Any:
        """The operand without the gaps' meaning: strides are kept on the processor, copied elsewhere."""
        view = self._from_numpy(problems(stored))[:, :rows, :columns]
        return view if device == "cpu" else view.to(device)

    def _vector(self, stored: Any, device: str) -> Any:
        return self._from_numpy(stored).to(device)

    def _from_numpy(self, stored: Any) -> Any:
        """A tensor over the same memory; what NumPy's bridge has no word for goes through its bits."""
        bits = _VIEWS.get(stored.dtype.name)
        if bits is None:
            return self._torch.from_numpy(stored)
        return self._torch.from_numpy(stored.view(bits)).view(getattr(self._torch, stored.dtype.name))

    def __call__(self, n: int) -> None:
        if not self._tried:
            self._try()
            n -= 1
        for _ in range(n):
            self._once()
        self._wait()

    def _try(self) -> None:
        """A first product: NotPossibleError in PyTorch's words where it has none of these types, sizes or strides on this device."""
        try:
            self._once()
            self._wait()
        except (RuntimeError, TypeError, ValueError) as error:  # NotImplementedError is a RuntimeError
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise NotPossibleError(f"PyTorch does not multiply {self._case.name} on {self._device}: {first[:200]}") from error
        self._tried = True

    def _product(self) -> None:
        """C, without the epilogue except for a bias that PyTorch fuses."""
        torch, dtype, batched = self._torch, self._case.dtype, self._case.batch > 1
        fuses = self._bias is not None and not batched and dtype not in _ALONE and dtype not in _SINGLE_OUT
        if dtype in _BYTES:
            self._c = torch._int_mm(self._a, self._b)
        elif dtype in _EIGHT_BITS:
            torch._scaled_mm(self._a, self._b, scale_a=self._one, scale_b=self._one, out_dtype=self._out, out=self._c)
        elif dtype in _SINGLE_OUT:
            (torch.bmm if batched else torch.mm)(self._a, self._b, self._out, out=self._c)
        elif fuses:
            torch.addmm(self._bias, self._a, self._b, out=self._c)
        else:
            torch.matmul(self._a, self._b, out=self._c)
        if self._bias is not None and not fuses:
            self._c += self._bias

    def _once(self) -> None:
        torch, case = self._torch, self._case
        self._product()
        if "relu" in case.steps:
            torch.relu_(self._c)
        elif "gelu" in case.steps:
            self._c.copy_(torch.nn.functional.gelu(self._c, approximate=_GELU))
        elif "silu" in case.steps:
            torch.nn.functional.silu(self._c, inplace=True)
        if self._residual is not None:
            self._c += self._residual

    def _wait(self) -> None:
        if self._kind in ("cuda", "xpu"):
            getattr(self._torch, self._kind).synchronize(self._device)
        elif self._kind == "mps":
            self._torch.mps.synchronize()

    def fetch(self) -> None:
        """The result into the operands' C."""
        self._wait()
        result = self._c.to("cpu")
        if ELEMENTS[self._case.mix.c].name == "bf16":
            values = result.view(self._torch.int16).numpy().view(self._operands.c.dtype)
        else:
            values = result.numpy()
        target = problems(self._operands.c)
        target[:, : self._case.m, : self._case.n] = problems(values)


LIBRARY = PyTorch()
