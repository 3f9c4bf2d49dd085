"""The file of one version of the code: the inputs, the figures, and the checksum of every column.

The file includes the inputs, because generators and demo data change too: later code must value identical bytes.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.identity.figures import Figures

_ABOUT, _INPUTS, _FIGURES = "about.json", "inputs/", "figures/"


@dataclass(frozen=True)
class Archive:
    """Inputs by name, and figures by name."""

    about: Mapping[str, Any]
    inputs: Mapping[str, bytes]
    figures: Mapping[str, Figures]


def checksums(figures: Mapping[str, Figures]) -> dict[str, str]:
    """The checksum of every column, by `<figures>/<value>`."""
    return {f"{name}/{value}": digest for name, part in figures.items() for value, digest in part.checksums.items()}


def write(path: Path, archive: Archive) -> None:
    """Write the file atomically."""
    draft = path.with_name(path.name + ".part")
    with zipfile.ZipFile(draft, "w") as target:  # uncompressed, because Parquet is already compressed
        about = {**archive.about, "checksums": checksums(archive.figures)}
        target.writestr(_ABOUT, json.dumps(about, indent=1), zipfile.ZIP_DEFLATED)
        for name, content in archive.inputs.items():
            target.writestr(_INPUTS + name, content, zipfile.ZIP_DEFLATED)
        for name, part in archive.figures.items():
            sink = io.BytesIO()
            pq.write_table(part.to_arrow(), sink, compression="zstd")
            target.writestr(f"{_FIGURES}{name}.parquet", sink.getvalue())
    draft.replace(path)


def read(path: Path) -> Archive:
    """Read the file. Raises ValueError if this command did not write it or its figures do not match their checksums."""
    try:
        with zipfile.ZipFile(path) as source:
            contents = {name: source.read(name) for name in source.namelist()}
        about = json.loads(contents[_ABOUT])
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"{path} was not written by this command; to write a file, name one that does not exist") from error
    figures = {
        name.removeprefix(_FIGURES).removesuffix(".parquet"): Figures.from_arrow(pq.read_table(pa.BufferReader(content)))
        for name, content in contents.items()
        if name.startswith(_FIGURES)
    }
    if (found := checksums(figures)) != about["checksums"]:
        damaged = sorted(name for name in {*found, *about["checksums"]} if found.get(name) != about["checksums"].get(name))
        raise ValueError(f"{path} is damaged: {', '.join(damaged)} differ from their checksums; write a new file")
    inputs = {name.removeprefix(_INPUTS): content for name, content in contents.items() if name.startswith(_INPUTS)}
    return Archive(about, inputs, figures)
