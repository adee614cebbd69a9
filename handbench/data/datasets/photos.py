"""A folder of photographs, or a CSV of hand boxes, goes in; samples without joints come out.

The name of the top-level sub-folder below the root is a photograph's class label; images directly in the root have none.
"""

import csv
import hashlib
import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from handbench.data.decoding import EXTENSIONS, one_by_one, read_reduced
from handbench.errors import DataError, UnreadableSample
from handbench.types import Sample, Side

Box = tuple[float, float, float, float]
COLUMNS = ("path", "x", "y", "w", "h")


@dataclass(frozen=True)
class Photograph:
    """One row: where the image is, how it is called, and the hand in it.

    Args:
        path: the file.
        key: unique name.
        label: class label, if any.
        box: x, y, width, height in pixels of the upright image; None for the whole image.
        side: which hand.
        frame: name of the file when several boxes may share it.
    """

    path: Path
    key: str
    label: str | None
    box: Box | None = None
    side: Side | None = None
    frame: str | None = None


class Photos:
    """Hands in photographs, with nothing known but perhaps a class and a box."""

    parallel: Literal["threads", "processes", "none"] = "threads"

    @dataclass(frozen=True)
    class Config:
        """How photographs are read.

        Args:
            boxes: CSV file `path,x,y,w,h[,side]`, relative to the root; boxes in pixels of the upright image, paths relative to
                the CSV's folder. Empty: every image of the folder is one hand's crop. A root that is a CSV file does the same.
            detail: a JPEG is decoded at a reduced size as long as the hand keeps this many pixels; 0 decodes all at full size.
        """

        boxes: str = ""
        detail: int = 512

    def __init__(self, config: Config, root: Path | None = None) -> None:
        if root is None:
            raise DataError("dataset 'photos' needs a folder of images or a CSV of boxes: --data FOLDER")
        self.config = config
        self.root = Path(root)
        if not self.root.exists():
            raise DataError(f"{self.root}: there is no such folder; --data names the folder of photographs")
        table = self.root / config.boxes if config.boxes else self.root if self.root.is_file() else None
        self._boxes = table
        self._rows = _boxed(table) if table else _unboxed(self.root)
        self.context = 1.2 if table else 1.0

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Sample:
        """Read one photograph; large JPEGs come reduced (see Config.detail), and their boxes with them.

        Raises:
            UnreadableSample: the file is missing or broken, or its box lies outside it.
        """
        row = self._rows[index]
        extent = max(row.box[2:]) if row.box else None
        image, factor = read_reduced(row.path, row.key, self.config.detail, extent)
        box = _inside(row, image.shape[1], image.shape[0], factor) if row.box else None
        return Sample(row.key, image, box=box, side=row.side, label=row.label, frame=row.frame)

    def samples(self, indices: Sequence[int]) -> Sequence[Sample | Exception]:
        """Several photographs, an UnreadableSample standing where one failed."""
        return one_by_one(self.__getitem__, indices)

    def fingerprint(self) -> str:
        """Digest the names, sizes and times of the files, and the CSV."""
        digest = hashlib.blake2b(repr(self.config).encode(), digest_size=16)
        if self._boxes:
            digest.update(self._boxes.read_bytes())
        for row in self._rows:
            state = row.path.stat() if row.path.exists() else None
            digest.update(f"{row.key}\0{state.st_size if state else -1}\0{state.st_mtime_ns if state else 0}\n".encode())
        return digest.hexdigest()


def _inside(row: Photograph, width: int, height: int, factor: int) -> Box:
    """The part of a row's box that lies in the image, in pixels of the image as decoded."""
    assert row.box is not None
    x, y, w, h = (number / factor for number in row.box)
    left, top, right, bottom = max(x, 0.0), max(y, 0.0), min(x + w, float(width)), min(y + h, float(height))
    if left >= right or top >= bottom:
        stated = ", ".join(f"{number:g}" for number in row.box)
        size = f"{width * factor} x {height * factor}"
        raise UnreadableSample(row.key, f"its box ({stated}) lies outside the image of {size} pixels")
    return left, top, right - left, bottom - top


def _unboxed(root: Path) -> list[Photograph]:
    """One row an image below root, in the order of their names."""
    names = sorted(path.relative_to(root).as_posix() for path in _walk(root, frozenset()))
    if not names:
        raise DataError(f"{root}: no images in this folder or below; looked for {', '.join(EXTENSIONS)}")
    return [Photograph(root / name, name, _label(name)) for name in names]


def _walk(folder: Path, above: frozenset[str]) -> Iterator[Path]:
    """Every visible image below a folder; links are followed unless they lead back to a folder above."""
    real = os.path.realpath(folder)
    if real in above:
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error.strerror}); mend its permissions") from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(Path(entry.path), above | {real})
        elif entry.name.lower().endswith(EXTENSIONS):
            yield Path(entry.path)


def _boxed(table: Path) -> list[Photograph]:
    """One row a line of the CSV, in its order."""
    if not table.is_file():
        raise DataError(f"{table}: there is no such file; it should be a CSV with the columns {','.join(COLUMNS)}[,side]")
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            _check_columns(table, reader.fieldnames or [])
            lines = [(reader.line_num, line) for line in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: is not a CSV file in UTF-8 ({error})") from error
    if not lines:
        raise DataError(f"{table}: holds no boxes below its header")
    seen: Counter[str] = Counter()
    rows = []
    for number, line in lines:
        rows.append(_photograph(table, number, line, seen[line["path"]]))
        seen[line["path"]] += 1
    return rows


def _check_columns(table: Path, names: Sequence[str]) -> None:
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        expected = f"{','.join(COLUMNS)}[,side]"
        raise DataError(f"{table}: column {', '.join(missing)} missing; found {','.join(names)}, expected {expected}")


def _photograph(table: Path, number: int, line: dict[str, str], ordinal: int) -> Photograph:
    """Read one line; `ordinal` counts the boxes before it on the same image, which keeps keys unique."""
    name = Path(line["path"] or "").as_posix()
    side = (line.get("side") or "").strip().lower()
    if side not in ("left", "right", ""):
        raise DataError(f"{table} line {number}: side '{side}' is unknown; left, right or nothing")
    box = _numbers(table, number, line)
    which: Side | None = "left" if side == "left" else "right" if side == "right" else None
    return Photograph(table.parent / name, f"{name}#{ordinal}", _label(name), box, which, name)


def _numbers(table: Path, number: int, line: dict[str, str]) -> Box:
    values = []
    for column in COLUMNS[1:]:
        try:
            values.append(float(line[column]))
        except (TypeError, ValueError):
            raise DataError(f"{table} line {number}: {column} is '{line[column]}', not a number") from None
    x, y, w, h = values
    if not all(math.isfinite(value) for value in values) or w <= 0 or h <= 0:
        raise DataError(f"{table} line {number}: box ({x:g}, {y:g}, {w:g}, {h:g}) has no area; w and h are above 0, in pixels")
    return x, y, w, h


def _label(name: str) -> str | None:
    """The first folder of a relative name; none for a bare name or one that leads elsewhere."""
    parts = Path(name).parts
    return parts[0] if len(parts) > 1 and parts[0] not in ("..", "/") else None
