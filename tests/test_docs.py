"""The pages: every link leads somewhere, every file that a page names is there, and every command it shows exists."""

from __future__ import annotations

import re
import textwrap
from pathlib import PurePosixPath

import pytest

from api.cli.main import build
from controller.spec import parse_application
from tests.tree import PRODUCT, ROOT, text_of, tracked

PAGES = [path for path in tracked() if path in ("README.md", "CHANGELOG.md") or re.fullmatch(r"docs/.*\.md", path)]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"`([\w./-]+)`")
FOLDERS = (*PRODUCT, "tests", "docs", "helm", ".ci")
COMMAND = re.compile(r"(?:^\s*|[`$] ?)interlock ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?", re.MULTILINE)


def prose(page: str) -> str:
    return FENCED.sub("", text_of(page) or "")


def anchors(page: str) -> set[str]:
    """As the usual viewers make them of headings."""
    heads = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def trouble_of(page: str, link: str) -> str | None:
    """What is wrong with a link of ``page``; None when it leads somewhere. Addresses elsewhere are not asked."""
    if re.match(r"[a-z]+:", link):
        return None
    name, _, anchor = link.partition("#")
    target = (ROOT / PurePosixPath(page).parent / name).resolve() if name else ROOT / page
    if not target.is_relative_to(ROOT):
        return f"{page}: {link} leads out of the repository"
    if not target.exists():
        return f"{page}: {link} is not there"
    if anchor and anchor not in anchors(str(target.relative_to(ROOT))):
        return f"{page}: {link} names no heading"
    return None


def test_the_pages_are_found() -> None:
    assert {"README.md", "CHANGELOG.md", "docs/api.md", "docs/adr/0001-core-and-shell.md"} <= set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    assert [told for link in LINK.findall(prose(page)) if (told := trouble_of(page, link)) is not None] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_is_named_is_there(page: str) -> None:
    named = {name for name in NAMED.findall(prose(page)) if name.startswith(tuple(f"{folder}/" for folder in FOLDERS))}
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_is_shown_exists(page: str) -> None:
    app = build()
    groups = {group.name: group.typer_instance for group in app.registered_groups if group.typer_instance is not None}
    known = {command.name for command in app.registered_commands} | set(groups)
    for name, second in COMMAND.findall(text_of(page) or ""):
        assert name in known, f"{page} shows `interlock {name}`"
        if second and name in groups:
            inner = {command.name for command in groups[name].registered_commands}
            assert second in inner, f"{page} shows `interlock {name} {second}`"


@pytest.mark.parametrize("page", ["README.md", "docs/applications.md"])
def test_the_application_that_a_page_shows_can_be_registered(page: str) -> None:
    documents = [textwrap.dedent(text) for text in re.findall(r"```yaml\n(.*?)```", text_of(page) or "", re.DOTALL)]
    whole = [text for text in documents if text.startswith("name:")]
    assert whole
    assert {parse_application(text).name for text in whole} == {"shop"}


def test_every_page_is_reached_by_a_link() -> None:
    """A page that nobody links to is a page that nobody reads. The decisions are linked as a folder."""
    linked = {
        (ROOT / page).parent.joinpath(link.partition("#")[0]).resolve()
        for page in PAGES
        for link in LINK.findall(prose(page))
    }
    pages = [page for page in PAGES if page.startswith("docs/") and not page.startswith("docs/adr/")]
    assert [page for page in pages if ROOT / page not in linked] == []


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("no-such-page.md", "is not there"),
        ("api.md#no-such-heading", "names no heading"),
        ("../../../etc", "leads out of the repository"),
        ("api.md#tokens-and-roles", None),
        ("https://example.org/none", None),
    ],
)
def test_a_broken_link_is_found(link: str, said: str | None) -> None:
    told = trouble_of("docs/cli.md", link)
    assert told is None if said is None else said in (told or "")
