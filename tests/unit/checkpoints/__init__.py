"""Signed checkpoints, exports, and what somebody who tampers with the record gets away with."""
