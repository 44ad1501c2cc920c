"""Generate packed matrix products as LLVM IR: tile, packing, blocking and epilogue, each a file, each parametric."""
