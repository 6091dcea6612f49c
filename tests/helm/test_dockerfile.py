"""The Dockerfile read as text: no daemon is needed to see that it builds from the lock and runs as nobody."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.helm.chart import kept, only
from tests.tree import ROOT

Step = tuple[str, str]


def steps() -> list[Step]:
    """Instructions with their arguments; continued lines are one, comments none."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        (line.split(None, 1)[0].upper(), line.split(None, 1)[1].strip()) for line in joined.splitlines() if line.strip()
    ]


def stages() -> list[list[Step]]:
    found: list[list[Step]] = []
    for step in steps():
        if step[0] == "FROM":
            found.append([])
        found[-1].append(step)
    return found


def of(stage: list[Step], name: str) -> list[str]:
    return [argument for instruction, argument in stage if instruction == name]


def test_every_instruction_is_one() -> None:
    known = {"FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "VOLUME", "EXPOSE", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in steps()} <= known


def test_it_is_built_in_one_stage_and_runs_in_another_of_the_same_python() -> None:
    assert [stage[0][1].split(" AS ")[0] for stage in stages()] == ["python:3.11-slim", "python:3.11-slim"]
    assert of(stages()[1], "RUN")
    assert not any("pip" in run for run in of(stages()[1], "RUN"))


def test_every_package_comes_from_the_lock_with_its_hash_checked() -> None:
    downloads = [run for run in of(stages()[0], "RUN") if "pip download" in run]
    (download,) = downloads
    words = shlex.split(download)
    assert "--require-hashes" in words
    assert words[words.index("--requirement") + 1] == "requirements.lock"
    installs = [part for run in of(stages()[0], "RUN") for part in run.split("&&") if "pip install" in part]
    (install,) = installs
    assert "--no-index" in shlex.split(install)
    assert words[words.index("--dest") + 1] == shlex.split(install)[shlex.split(install).index("--find-links") + 1]


def test_it_names_no_registry_and_no_index() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert not re.search(r"https?://|--(extra-)?index-url|--trusted-host", text)
    assert all("/" not in stage[0][1].split(" AS ")[0] for stage in stages())


def test_it_runs_as_a_number_that_is_not_root_and_that_the_chart_knows() -> None:
    (user,) = of(stages()[1], "USER")
    number, group = (int(part) for part in user.split(":"))
    context = only(kept("default"), "Deployment")["spec"]["template"]["spec"]["securityContext"]
    assert (number, group) == (context["runAsUser"], context["runAsGroup"])
    assert number > 0
    last = [name for name, _ in stages()[1]]
    assert "RUN" not in last[last.index("USER") :], "nothing is changed after it, and nothing needs root then"


def test_no_secret_is_given_to_the_build_and_nothing_is_fetched_by_hand() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert not re.search(r"(?i)\b(ARG|ADD|curl|wget|password|secret|--mount)\b", text)
    assert not re.search(r"(?i)(token|key|passw)\w*=", text)


def test_only_what_is_needed_is_copied_and_let_in() -> None:
    copied = {
        part.rstrip("/")
        for argument in of(stages()[0], "COPY")
        for part in argument.split()[:-1]
    }  # fmt: skip
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*", "everything is left out first"
    assert {line[1:] for line in lines if line.startswith("!")} == copied
    assert {"tests", "helm", "docs", ".git"}.isdisjoint(copied)
    assert all((ROOT / name).exists() for name in copied)


def test_only_the_environment_of_the_build_is_copied_into_the_image() -> None:
    assert of(stages()[1], "COPY") == ["--from=build /opt/interlock /opt/interlock"]


def test_the_chart_runs_its_entry_point_with_a_command_that_it_has() -> None:
    (entry,) = of(stages()[1], "ENTRYPOINT")
    assert entry == '["interlock"]'
    (container,) = only(kept("default"), "Deployment")["spec"]["template"]["spec"]["containers"]
    assert "command" not in container
    assert container["args"][0] == "serve"


@pytest.mark.parametrize("name", ["PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"])
def test_a_read_only_root_troubles_nothing(name: str) -> None:
    assert any(f"{name}=1" in line for line in of(stages()[1], "ENV"))


def test_no_setting_is_hidden_in_the_image() -> None:
    """It would win over the settings file that the chart writes."""
    assert not any("INTERLOCK_" in line for line in of(stages()[1], "ENV"))
