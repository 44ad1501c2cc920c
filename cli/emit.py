"""Print the code that is measured: LLVM IR or assembly, for this chip or any other."""

from __future__ import annotations

import click

from . import console
from .state import State, json_option, pass_state
from .words import not_known

EMIT_SCHEMA = 1


@click.command()
@click.argument("kernel", default="", metavar="[KERNEL]")
@click.option("--show", "form", type=click.Choice(["asm", "ir"]), default="asm", show_default=True, help="Assembly or LLVM IR.")
@click.option("--target", "target_name", default="host", show_default=True, metavar="NAME", help="A chip; see `mmbench list targets`.")
@json_option
@pass_state
def emit(state: State, kernel: str, form: str, target_name: str, as_json: bool) -> None:
    """Print the code of a kernel for this chip or any other.

    Without a KERNEL: the kernels there are.
    """
    from ..kernels.catalog import catalog
    from ..kernels.catalog import emit as emit_kernel
    from ..kernels.emit.target import Target

    _ = state.settings  # hands the cache folder on
    known = catalog()
    if not kernel:
        if as_json:
            console.answer_json({"schema": EMIT_SCHEMA, "kernels": known})
        else:
            console.answer(console.rows(list(known.items()), ("kernel", "does")))
        return
    target = Target.named(target_name)
    if kernel not in known:
        raise not_known("kernel", kernel, known, "see `mmbench emit` for the list")
    code, assembly = emit_kernel(kernel, target)
    if as_json:
        document = {"schema": EMIT_SCHEMA, "kernel": kernel, "target": target.name, "cpu": target.cpu, "triple": target.triple}
        console.answer_json({**document, "features": list(target.features), "ir": code, "asm": assembly})
    else:
        console.answer(assembly if form == "asm" else code)
