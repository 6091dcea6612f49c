"""The shape of the repository: what may stand at the top, what may import what, and names that shadow nobody."""

from __future__ import annotations

import importlib
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tree import PRODUCT, ROOT, imports, python, tracked

TOP = {
    *PRODUCT,
    "tests",
    "helm",
    "docs",
    ".ci",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "Dockerfile",
    "pyproject.toml",
    "requirements.lock",
    ".gitignore",
    ".dockerignore",
}
IMPURE = {
    "time", "random", "os", "pathlib", "io", "socket", "ssl", "subprocess", "threading", "asyncio", "concurrent",
    "logging", "uuid", "secrets", "sqlite3", "requests", "httpx", "sqlalchemy", "alembic", "fastapi", "starlette",
    "apscheduler", "tenacity", "structlog", "kubernetes",
}  # fmt: skip
PURE = [
    path
    for path in python("controller", "gates", "analysis")
    if path.startswith(("controller/core/", "gates/", "analysis/")) and not path.startswith("analysis/prometheus")
]


def test_the_top_of_the_repository_is_closed() -> None:
    assert {path.split("/")[0] for path in tracked()} - TOP == set()


@pytest.mark.parametrize("path", PURE)
def test_a_pure_module_reads_no_clock_no_file_no_socket_and_no_chance(path: str) -> None:
    assert {name.split(".")[0] for name in imports(path)} & IMPURE == set()


def test_the_pure_modules_are_found() -> None:
    assert len(PURE) > 25


@pytest.mark.parametrize("path", python("controller"))
def test_the_guard_needs_nothing_that_is_installed(path: str) -> None:
    if not path.startswith("controller/guard/"):
        assert "controller.guard.__main__" not in imports(path)
        return
    names = {name.split(".")[0] for name in imports(path)} - {"controller"}
    assert names <= set(sys.stdlib_module_names)
    assert {name for name in imports(path) if name.startswith("controller.")} <= {
        name for name in imports(path) if name.startswith(("controller.guard", "controller.core.model"))
    }


@pytest.mark.parametrize("path", python(*PRODUCT))
def test_no_product_module_imports_tests(path: str) -> None:
    assert "tests" not in {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("name", PRODUCT)
def test_the_packages_shadow_nobody_and_nobody_shadows_them(name: str) -> None:
    assert name not in sys.stdlib_module_names
    installed = set(importlib.metadata.packages_distributions().get(name, ()))
    assert installed <= {"interlock"}
    module = importlib.import_module(name)
    assert module.__file__ is not None
    assert Path(module.__file__).parent == ROOT / name


def test_every_folder_with_product_modules_is_a_package() -> None:
    scripts = "controller/adapters/store/migrations"
    folders = {str(Path(path).parent) for path in python(*PRODUCT) if not path.startswith(scripts)}
    assert sorted(folder for folder in folders if f"{folder}/__init__.py" not in tracked()) == []


def test_the_import_contracts_are_kept() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    if not program.exists():
        pytest.skip("import-linter is not installed: the contracts in pyproject.toml were not checked")
    told = subprocess.run(
        [str(program), "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=50, check=False
    )
    assert told.returncode == 0, told.stdout[-3_000:]
    assert "0 broken" in told.stdout
