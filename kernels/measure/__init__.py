"""Time machine code: clock, stopwatch, sampler, conditions, workers."""
