"""One page out of stored files: evidence, sections of prose, tables and figures, and the writers that turn them into a document."""
