"""Which changed files of a release are migrations, and which belong to the gate itself. It reads names, not files."""

from __future__ import annotations

import posixpath
import re

_MIGRATION = re.compile(
    r"(^|/)(migrations?|migrate|flyway|liquibase|alembic)/|(^|/)db/changelogs?/"
    r"|\.sql$|(^|/)(schema\.rb|schema\.prisma|changelog[^/]*\.(xml|ya?ml|json))$"
)
_GATE = re.compile(
    r"^\.github/|^\.gitlab-ci[^/]*\.ya?ml$|^\.gitlab/|^\.circleci/|^\.buildkite/|^\.tekton/|^\.drone\.ya?ml$|^\.ci/"
    r"|^\.woodpecker|^\.travis\.ya?ml$|^\.semaphore/|^\.argo/|^(gates?|polic(y|ies))/"
    r"|(^|/)(jenkinsfile[^/]*|codeowners|azure-pipelines[^/]*\.ya?ml|bitbucket-pipelines\.ya?ml|cloudbuild\.ya?ml)$"
    r"|(^|/)\.?interlock(/|\.ya?ml$)|\.rego$|(^|/)(ci|pipelines?|workflows)/[^/]+\.ya?ml$|(^|/)(policy|pipeline)\.ya?ml$"
    r"|(^|/)[^/]*(gate|approval)s?[-_]?polic(y|ies)[^/]*$|(^|/)polic(y|ies)/[^/]+\.(ya?ml|json|cel)$"
)
_DOCUMENTS = re.compile(r"\.(md|rst|txt)$")


def _even(path: str) -> str:
    """One spelling per file: no backslashes, no ``./`` and ``..``, small letters."""
    return posixpath.normpath(path.strip().replace("\\", "/").lower()).lstrip("/")


def is_migration_file(path: str) -> bool:
    even = _even(path)
    return bool(_MIGRATION.search(even)) and not _DOCUMENTS.search(even)


def is_gate_file(path: str) -> bool:
    """Whoever changes one of these changes what the gate will ask of the next step."""
    return bool(_GATE.search(_even(path)))
