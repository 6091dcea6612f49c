"""Policies as documents: read with limits, checked for mistakes, compared with the one before. It grades nothing."""
