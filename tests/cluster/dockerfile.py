"""The problems of a Dockerfile that can be found without building it, in addition to hadolint or in its absence."""

import json
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from dockerfile_parse import DockerfileParser

INSTRUCTIONS = {
    "ARG": set(),
    "CMD": set(),
    "COPY": {"from", "chown", "chmod", "link", "parents", "exclude"},
    "ENTRYPOINT": set(),
    "ENV": set(),
    "EXPOSE": set(),
    "FROM": {"platform"},
    "HEALTHCHECK": {"interval", "timeout", "start-period", "start-interval", "retries"},
    "LABEL": set(),
    "RUN": {"mount", "network", "security"},
    "SHELL": set(),
    "STOPSIGNAL": set(),
    "USER": set(),
    "VOLUME": set(),
    "WORKDIR": set(),
}
"""Instructions and their flags. ADD and MAINTAINER are left out deliberately, because they should not be used."""

_OCI_LABELS = {"title", "description", "licenses", "version", "revision", "created", "source"}


def structure_of(text: str, folder: Path) -> list[dict[str, Any]]:
    """The instructions of a Dockerfile; `folder` is one to work in."""
    (folder / "Dockerfile").write_text(text, encoding="utf-8")
    structure: list[dict[str, Any]] = DockerfileParser(str(folder / "Dockerfile")).structure
    return [item for item in structure if item["instruction"] != "COMMENT"]


def problems_of(structure: list[dict[str, Any]], *, context: Path) -> list[str]:
    """Unknown instructions and flags, stages and files that do not exist, and what an image should not be without."""
    problems = []
    stages: set[str] = set()
    last: dict[str, str] = {}
    for item in structure:
        instruction, value = item["instruction"], item["value"]
        line = f"line {item['startline'] + 1}: "
        if instruction not in INSTRUCTIONS:
            problems.append(f"{line}{instruction} is no instruction to be used")
            continue
        flags, rest = _flags(value)
        problems += [f"{line}--{flag} is no flag of {instruction}" for flag in flags.keys() - INSTRUCTIONS[instruction]]
        if instruction == "FROM":
            last = {}
            if found := re.search(r"\s+AS\s+(\S+)$", rest, re.IGNORECASE):
                stages.add(found[1])
        if instruction == "COPY":
            problems += [f"{line}{problem}" for problem in _copy_problems(flags, rest.split()[:-1], stages=stages, context=context)]
        if instruction in ("CMD", "ENTRYPOINT", "SHELL") and not _is_list(rest):
            problems.append(f"{line}{instruction} is not a JSON list: a shell would stand between Docker and the process")
        last[instruction] = rest
    return problems + _runtime_problems(structure, last)


def _flags(value: str) -> tuple[dict[str, str], str]:
    flags = {}
    while found := re.match(r"--([\w-]+)(?:=(\S+))?\s+", value):
        flags[found[1]] = found[2] or ""
        value = value[found.end() :]
    return flags, value


def _is_list(value: str) -> bool:
    try:
        return isinstance(json.loads(value), list)
    except ValueError:
        return False


def _copy_problems(flags: dict[str, str], sources: list[str], *, stages: set[str], context: Path) -> list[str]:
    if "from" in flags:
        return [] if flags["from"] in stages else [f"there is no stage {flags['from']}"]
    problems = [f"{source} does not exist" for source in sources if not (context / source).exists()]
    return problems + [f".dockerignore keeps {source} out" for source in sources if is_ignored(source, context=context)]


def is_ignored(path: str, *, context: Path) -> bool:
    """Whether .dockerignore keeps a path out of the build: the last pattern that fits it, or a folder above it, decides."""
    ignored = False
    parts = path.split("/")
    prefixes = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    for line in (context / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        bare = pattern.removeprefix("!").removeprefix("**/")
        if any(fnmatch(prefix, bare) or (pattern.startswith("**/") and fnmatch(prefix.rsplit("/", 1)[-1], bare)) for prefix in prefixes):
            ignored = not pattern.startswith("!")
    return ignored


def _runtime_problems(structure: list[dict[str, Any]], last: dict[str, str]) -> list[str]:
    """`last` holds each instruction's last value in the last stage."""
    problems = [f"the image has no {name}" for name in ("HEALTHCHECK", "USER", "CMD", "LABEL") if name not in last]
    user = last.get("USER", "0").split(":")[0]
    if not user.isdigit() or int(user) == 0:
        problems.append(f"the image runs as {user}: a number other than 0 is what Kubernetes can check")
    labels = set(
        re.findall(r"org\.opencontainers\.image\.(\w+)=", " ".join(item["value"] for item in structure if item["instruction"] == "LABEL"))
    )
    problems += [f"label org.opencontainers.image.{name} is missing" for name in sorted(_OCI_LABELS - labels)]
    defaults = dict(item["value"].split("=", 1) for item in structure if item["instruction"] == "ARG" and "=" in item["value"])
    for item in structure:
        if item["instruction"] == "FROM":
            image = re.sub(r"\$\{(\w+)\}", lambda found: defaults.get(found[1], ""), item["value"].split()[0])
            is_stage = any(
                other["instruction"] == "FROM" and other["value"].lower().endswith(f" as {image.lower()}") for other in structure
            )
            if not is_stage and not re.search(r":[\w.-]*\d[\w.-]*(@sha256:[0-9a-f]{64})?$", image):
                problems.append(f"{image} has no version")
    return problems
