"""Build libraries that misbehave, each in one manner: what the correctness gate is held against.

`build` makes a shared library with `cblas_sgemm`, `cblas_dgemm` and OpenBLAS's functions about itself, for `--library openblas=PATH`; or,
since OpenBLAS has no product of bytes, one with oneMKL's, for `--library mkl=PATH`. `build_bytes` makes one in mmbench's own signature.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
_ENUM = re.search(r"enum manner \{(.*?)\}", (HERE / "gemm.c").read_text(encoding="ascii"), re.DOTALL)
assert _ENUM is not None
BYTES = {"right_bytes": (), "saturates": ("SATURATES",), "saturates_in_vectors": ("WIDE_ONLY",)}  # and what bytes.c is compiled with
MANNERS = (*filter(None, re.split(r"[\s,]+", _ENUM[1])), *BYTES)  # `right` is the first


def compiler() -> str | None:
    """The C compiler's path; None where there is none: the tests then skip with "needs gcc"."""
    return shutil.which("gcc")


def build(folder: Path, manner: str) -> Path:
    """The library that misbehaves in this manner (a word of MANNERS), in `folder`; built once."""
    assert manner in MANNERS, manner
    if manner in BYTES:
        return build_bytes(folder, "MKL", *BYTES[manner])
    return _compiled(folder / f"lib{manner}.so", "gemm.c", [f"-DMANNER={manner}", f'-DNAME_OF_MANNER="{manner}"'])


def build_bytes(folder: Path, *defines: str) -> Path:
    """A library with `f`, u8 × s8 (or s8 × s8 with "LEFT=int8_t"); right without "SATURATES" or "WIDE_ONLY"; oneMKL's with "MKL"."""
    name = "_".join(["bytes", *defines]).replace("=", "_")
    return _compiled(folder / f"lib{name}.so", "bytes.c", [f"-D{word}" for word in defines])


def _compiled(target: Path, source: str, options: list[str]) -> Path:
    gcc = compiler()
    assert gcc is not None
    if not target.exists():
        command = [gcc, "-O1", "-shared", "-fPIC", "-pthread", *options, "-o", str(target), str(HERE / source), "-lm"]
        subprocess.run(command, check=True, capture_output=True, text=True)
    return target
