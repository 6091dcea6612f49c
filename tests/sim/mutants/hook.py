"""Imports a product module with one snippet of its source replaced, in this process only. No file is changed."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class Patch:
    """``old`` occurs exactly once in the module's file, or the mutant is stale and says so."""

    module: str
    old: str
    new: str

    @property
    def path(self) -> Path:
        return ROOT / (self.module.replace(".", "/") + ".py")

    def applied(self, source: str) -> str:
        found = source.count(self.old)
        if found != 1:
            raise StaleMutant(f"{self.module}: the snippet occurs {found} times, not once:\n{self.old}")
        return source.replace(self.old, self.new)


class StaleMutant(Exception):
    """The code has changed under a mutant: write the mutant anew, or a bug of its kind goes unnoticed."""


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles the patched source; the cache of compiled files is left alone."""

    def __init__(self, name: str, path: str, patches: Sequence[Patch]) -> None:
        super().__init__(name, path)
        self._patches = patches

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_source(fullname)
        assert source is not None, fullname
        for patch in self._patches:
            source = patch.applied(source)
        return compile(source, self.path, "exec", dont_inherit=True)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, patches: Mapping[str, Sequence[Patch]]) -> None:
        self._patches = patches

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        patches = self._patches.get(fullname)
        if patches is None:
            return None
        loader = _Loader(fullname, str(patches[0].path), patches)
        return importlib.util.spec_from_loader(fullname, loader)


def plant(patches: Sequence[Patch]) -> None:
    """Must run before anything of the product is imported."""
    by_module: dict[str, list[Patch]] = {}
    for patch in patches:
        if patch.module in sys.modules:
            raise AssertionError(f"{patch.module} is imported already: its mutant would not be used")
        by_module.setdefault(patch.module, []).append(patch)
    sys.meta_path.insert(0, _Finder(by_module))
