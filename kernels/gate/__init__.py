"""Hold a build against another: find the two sides, plan, and decide from timings what became slower and what nobody can tell."""
