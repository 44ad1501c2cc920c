"""Print the code that is measured: LLVM IR or assembly, for this chip or any other."""

from __future__ import annotations

from collections.abc import Iterable

import click

from ..configs.errors import UsageError
from ..configs.kernel_names import library_of
from . import console
from .state import State, json_option, pass_state
from .words import not_known

EMIT_SCHEMA = 1


@click.command()
@click.argument("kernel", required=False, metavar="[KERNEL]")
@click.option("--show", "form", type=click.Choice(["asm", "ir"]), default="asm", show_default=True, help="Assembly or LLVM IR.")
@click.option("--target", "target_name", default="host", show_default=True, metavar="NAME", help="A chip; see `mmbench list targets`.")
@json_option
@pass_state
def emit(state: State, kernel: str | None, form: str, target_name: str, as_json: bool) -> None:
    """Print the code of a kernel for this chip or any other.

    Without a KERNEL: the kernels there are.
    """
    from ..kernels.catalog import catalog
    from ..kernels.catalog import emit as emit_kernel
    from ..kernels.emit.target import Target

    _ = state.settings  # hands the cache folder on
    known = catalog()
    if kernel is None:
        if as_json:
            console.answer_json({"schema": EMIT_SCHEMA, "kernels": known})
        else:
            console.answer(console.rows(list(known.items()), ("kernel", "does")))
        return
    target = Target.named(target_name)
    if kernel not in known:
        raise _not_emitted(kernel, known)
    code, assembly = emit_kernel(kernel, target)
    if as_json:
        document = {"schema": EMIT_SCHEMA, "kernel": kernel, "target": target.name, "cpu": target.cpu, "triple": target.triple}
        console.answer_json({**document, "features": list(target.features), "ir": code, "asm": assembly})
    else:
        console.answer(assembly if form == "asm" else code)


def _not_emitted(kernel: str, known: Iterable[str]) -> UsageError:
    """The error for a word that names no code; kernels of a sweep and libraries are told from slips of the hand."""
    from ..kernels.registry import own_kernels
    from ..kernels.vendor.library import libraries

    see = "see `mmbench emit` for the list"
    name = library_of(kernel)
    if name == "vectorized":
        return UsageError(f"'{kernel}' has other code for each data type", "name one: gemm-f32, gemm-bf16 and so on")
    if name in own_kernels():
        return UsageError(f"'{kernel}' is compiled as it runs: its code cannot be printed", see)
    if name in libraries():
        return UsageError(f"'{kernel}' is a library: only generated code can be printed", see)
    return not_known("kernel", kernel, known, see)
