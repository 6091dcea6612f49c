"""Signed ends of the audit record, its export as lines, what an export proves. No key, no file."""
