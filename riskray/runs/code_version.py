"""Which code values positions: two runs of the same code and inputs have the same bits."""

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import riskray
from pricers.kernels.cache import SOURCES_DIGEST
from pricers.market.fixings import Fixings
from pricers.registry import entry_point_packages
from riskray.config import Settings

PACKAGES = ("numpy", "numba", "scipy", "pyarrow", "ray", "QuantLib")
"""The libraries whose versions may move a last bit or a second."""


def code_manifest(settings: Settings) -> dict[str, Any]:
    """What a run's manifest says of its code: versions, and a digest of the sources of all pricers."""
    return {
        "versions": {"riskray": riskray.__version__, **package_versions()},
        "pricer_sources": pricer_sources(tuple(settings.pricer_modules)),
    }


def code_difference(manifest: Mapping[str, Any], settings: Settings) -> list[str]:
    """What of the code differs between a finished run, by its manifest, and this process: one "then …, now …" for each; none if equal."""
    then = {**manifest.get("versions", {}), "pricer sources": manifest.get("pricer_sources")}
    now = code_manifest(settings)
    now = {**now["versions"], "pricer sources": now["pricer_sources"]}
    then["pricer modules"], now["pricer modules"] = manifest.get("settings", {}).get("pricer_modules"), settings.pricer_modules
    return [f"{name}: then {then.get(name)}, now {now.get(name)}" for name in sorted({*then, *now}) if then.get(name) != now.get(name)]


@cache
def package_versions() -> dict[str, str]:
    """Versions of PACKAGES by lower-case name."""
    return {name.lower(): version(name) for name in PACKAGES}


@cache
def pricer_sources(modules: tuple[str, ...]) -> str:
    """SHA-256 of the sources of `pricers`, of the standard indices, of the modules that the settings name (`modules`) and of the packages
    of installed pricers, in hex; as of the first call in this process."""
    digest = hashlib.sha256(SOURCES_DIGEST.encode() + Fixings.none().content_hash.encode())
    for name in (*modules, *entry_point_packages()):
        spec = find_spec(name)
        folders = [] if spec is None else [Path(folder) for folder in spec.submodule_search_locations or ()]
        files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
        if spec is not None and spec.has_location and not folders:
            files.append(Path(spec.origin or ""))
        for file in files:
            digest.update(name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
