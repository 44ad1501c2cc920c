"""A small kernel plus an inference, one file a probe: `measure(context) -> Curve`, pure `infer(curve, machine) -> Machine`."""
