"""The sections of a page, one file a section."""
