"""Compile LLVM IR to machine code: run it here, or print the assembly of any target.

Objects are cached on disk, keyed by IR, CPU, features and LLVM version; a cached object that does not match its own digest
is compiled again. A cache that cannot be written costs time, nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

from ...configs.errors import MmbenchError, NotPossibleError
from .target import Target, initialize

_DIGEST_BYTES = 32


class EmitError(MmbenchError):
    """IR that LLVM refuses: a bug in an emitter, shown with LLVM's own words."""


@dataclass(frozen=True, slots=True)
class Code:
    """Machine code in this process. `keep` holds what LLVM frees the code with, so it lives as long as this record."""

    ir: str
    target: Target
    sha: str  # of the object, the identity of the machine code
    from_cache: bool
    keep: Any = field(repr=False, compare=False)

    def address(self, name: str) -> int:
        """Where the function starts; EmitError for an unknown name."""
        address: int = self.keep.get_function_address(name)
        if not address:
            raise EmitError(f"the emitted module has no function '{name}'")
        return address

    def assembly(self) -> str:
        """The assembly of the module, as the code generator prints it."""
        return assembly(self.ir, self.target)


def _module(ir: str, target: Target, machine: llvm.TargetMachine) -> llvm.ModuleRef:
    header = f'target triple = "{target.triple}"\ntarget datalayout = "{machine.target_data}"\n'
    if target.attributes:
        ir = ir.replace(" nounwind", f" nounwind {target.attributes}")
    try:
        module = llvm.parse_assembly(header + ir)
        module.verify()
    except RuntimeError as error:
        raise EmitError(f"LLVM refuses the emitted code for {target.name}: {str(error).strip()}") from error
    return module


def assembly(ir: str, target: Target) -> str:
    """Assembly text of `ir` for any target, without the directives that say nothing about the code."""
    machine = target.machine()
    text: str = machine.emit_assembly(_module(ir, target, machine))
    dropped = re.compile(
        r"^\s*(\.(cfi_|file|ident|addrsig|attribute|section\s+\"?\.note|build_version|subsections)|[#;/@]+\s*(NO_)?APP|[;/#@]+\s*InlineAsm)"
    )
    return "\n".join(line for line in text.splitlines() if line.strip() and not dropped.match(line)) + "\n"


def cache_dir() -> Path:
    """Where objects are kept: $MMBENCH_CACHE, else the user's cache folder."""
    if "MMBENCH_CACHE" in os.environ:
        return Path(os.environ["MMBENCH_CACHE"]) / "objects"
    base = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    return Path(base) / "mmbench" / "objects"


def _key(ir: str, target: Target, optimize: bool) -> str:
    parts = (ir, target.triple, target.cpu, ",".join(target.features), str(llvm.llvm_version_info), *(["optimized"] if optimize else []))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def cached_object(path: Path) -> bytes | None:
    """The object that was kept at `path`; None where there is none, or where it does not match its own digest."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    digest, body = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    return body if hashlib.sha256(body).digest() == digest else None


def store_object(path: Path, body: bytes) -> None:
    """Keep an object beside its digest; where that cannot be done it is compiled again next time."""
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(hashlib.sha256(body).digest() + body)
        Path(temporary).replace(path)
    except OSError:  # a read-only home or a full disk: compile again next time
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink(missing_ok=True)


def optimized(ir: str, target: Target) -> str:
    """The IR after LLVM's own passes (inlining, promotion of stack slots, vectorised loops), for code that is written in plain loops.

    What is timed instruction by instruction never goes through here: LLVM would fold it.
    """
    machine = target.machine()
    module = _module(ir, target, machine)
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization, options.slp_vectorization = True, False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    text = str(module)
    return "\n".join(line for line in text.splitlines() if not line.startswith(("target ", "source_filename", "; ModuleID"))) + "\n"


def compile_ir(ir: str, target: Target | None = None, *, optimize: bool = False) -> Code:
    """Machine code of `ir` for this machine, ready to be called; with `optimize` after LLVM's own passes.

    Raises EmitError when LLVM refuses the IR, NotPossibleError for another chip's target or where code cannot be mapped executable.
    """
    target = target or Target.host()
    if not target.is_host:
        raise NotPossibleError(f"code for {target.name} cannot run on this machine", "print it with `mmbench emit … --show asm`")
    initialize()
    path = cache_dir() / f"{_key(ir, target, optimize)}.o"
    machine = target.machine()
    body = cached_object(path)
    from_cache = body is not None
    if body is None:
        body = bytes(machine.emit_object(_module(optimized(ir, target) if optimize else ir, target, machine)))
        store_object(path, body)
    return Code(ir, target, hashlib.sha256(body).hexdigest()[:16], from_cache, linked(body, target))


def linked(body: bytes, target: Target) -> Any:
    """An object in this process, ready to be called: LLVM's engine, to be kept alive. NotPossibleError where code cannot be mapped."""
    try:
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(f'target triple = "{target.triple}"\n'), target.machine())
        engine.add_object_file(llvm.ObjectFileRef.from_data(body))
        engine.finalize_object()
    except RuntimeError as error:
        raise NotPossibleError(
            f"this system does not let a program run code that it generates: {error}", "look for SELinux execmem or a hardened container"
        ) from error
    return engine
