"""Starts the command line: ``python -m api.cli``. It only calls main."""

from __future__ import annotations

from api.cli.main import main

if __name__ == "__main__":
    main()
