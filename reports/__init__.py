"""Rows, figures and pages out of files."""
