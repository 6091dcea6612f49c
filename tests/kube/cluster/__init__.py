"""Test clusters: one suite on a small API server of our own and, where the binaries are, on the real one."""
