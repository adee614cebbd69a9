"""Figures show the records' numbers, whole and legible, the same bytes for the same records; what cannot be drawn is said."""

import io
import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evidence import run, score, with_files
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from scipy import stats

from handbench.results.figures import gallery as galleries
from handbench.results.figures import selection, style
from handbench.results.figures.cost import seconds
from handbench.results.figures.gallery import KINDS, gallery
from handbench.results.figures.joints import places
from handbench.results.figures.run_files import Undrawable
from handbench.suite import FigureSpec
from handbench.types import Evidence

LONG = "a_rather_long_objective_name_of_a_plugin"
OBJECTIVES = ("none", "simclr", "peclr")


def spec(kind: str, **more: Any) -> FigureSpec:
    return FigureSpec(**{"name": kind, "title": kind, "kind": kind, **more})


def full(folder: Path, objectives: tuple[str, ...] = OBJECTIVES, shares: tuple[float, ...] = (1.0,)) -> Evidence:
    records = [run(name, seed, share) for name in objectives for seed in range(2) for share in shares]
    return Evidence(folder, tuple(with_files(folder, record) for record in records))


def drawn(evidence: Evidence, asked: FigureSpec) -> Figure:
    with style.rules():
        made = KINDS[asked.kind](evidence, asked)
        made.draw_without_rendering()
    return made


def cells(records: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [{"values": {"objective": record["objective"]}, "seed": record["seed"], "run": record["id"]} for record in records]


def texts(made: Figure) -> list[Text]:
    """The texts that can be seen: not those of hidden panels, of axes switched off, and of ticks beyond the axis."""
    unseen: set[int] = set()
    for axes in made.axes:
        unseen |= {id(text) for text in axes.findobj(Text) if not axes.get_visible()}
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            beyond = [tick for tick in axis.get_major_ticks() if not low - 1e-9 <= tick.get_loc() <= high + 1e-9]
            for part in [axis] if not axes.axison else beyond:
                unseen |= {id(text) for text in part.findobj(Text)}
    return [text for text in made.findobj(Text) if text.get_text() and text.get_visible() and id(text) not in unseen]


@pytest.mark.parametrize("names", [OBJECTIVES, ("none", LONG, f"{LONG}_b", "simclr", "peclr", "byol", "moco", "dino", "vicreg")])
@pytest.mark.parametrize("kind", KINDS)
def test_all_text_is_within_the_figure_and_over_no_other(kind: str, names: tuple[str, ...], tmp_path: Path) -> None:
    evidence = full(tmp_path, names, (0.1, 1.0) if kind in ("labels", "bars") else (1.0,))
    made = drawn(evidence, spec(kind))
    assert made.get_figwidth() == style.WIDTH
    boxes = {text: text.get_window_extent().padded(-0.5) for text in texts(made)}
    assert len(boxes) > 3
    for text, box in boxes.items():
        assert box.x0 >= -1 and box.y0 >= -1 and box.x1 <= made.bbox.x1 + 1 and box.y1 <= made.bbox.y1 + 1, text.get_text()
    clashes = [(a.get_text(), b.get_text()) for a, b in combinations(boxes, 2) if boxes[a].overlaps(boxes[b])]
    assert not clashes
    assert min(text.get_fontsize() for text in boxes) >= 5  # points in print


def test_without_a_suite_there_is_a_figure_of_each_kind(tmp_path: Path) -> None:
    first = gallery(full(tmp_path, ("peclr",)), ("svg",))
    assert [drawing.name for drawing in first.drawings] == [kind for kind in KINDS if kind != "labels"]
    assert first.left_out == {"Label efficiency": "all runs use the same share of the labels (100 %)"}


@pytest.mark.parametrize("kind", ["labels", "pck", "equivariance"])
def test_the_order_of_the_records_does_not_matter(kind: str, tmp_path: Path) -> None:
    records = full(tmp_path, shares=(0.1, 1.0)).records
    suite = {"figures": [vars(spec(kind))], "cells": cells(records)}
    first, second = (gallery(Evidence(tmp_path, order, suite), ("svg",)).drawings for order in (records, records[::-1]))
    assert len(first) == 1 and first[0].files == second[0].files


@pytest.mark.parametrize("kind", ["bars", "examples"])
def test_all_formats_repeat_and_hold_no_date(kind: str, tmp_path: Path) -> None:
    records = full(tmp_path, ("peclr",)).records
    evidence = Evidence(tmp_path, records, {"figures": [vars(spec(kind))], "cells": cells(records)})
    (first,), (second,) = gallery(evidence).drawings, gallery(evidence).drawings
    assert first.files == second.files
    assert sorted(first.files) == [f"figures/{kind}.{ending}" for ending in ("pdf", "png", "svg")]
    assert not re.search(rb"CreationDate|<dc:date>|202\d-\d\d-\d\d", b"".join(first.files.values()))


def test_text_stays_text_and_points_say_what_they_are(tmp_path: Path) -> None:
    evidence = full(tmp_path)
    suite = {"figures": [vars(spec("training"))], "cells": cells(evidence.records)}
    files = gallery(replace(evidence, suite=suite)).drawings[0].files
    root = ElementTree.fromstring(files["figures/training.svg"])
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"epoch of pre-training", "loss", "simclr", "peclr"} <= set(words)
    titles = [element.text for element in root.iter("{http://www.w3.org/2000/svg}title")]
    assert "simclr, epoch 1: 5.5 (5 to 6)" in titles and len(titles) == 6
    ids = [element.get("id", "") for element in root.iter() if "id" in element.attrib]
    assert all(name.startswith("training-") for name in ids)
    links = re.findall(r'(?:href="|url\()#([^")]+)', files["figures/training.svg"].decode())
    assert links and set(links) <= set(ids)
    assert b"/FontFile2" in files["figures/training.pdf"] and b"/Type3" not in files["figures/training.pdf"]
    with Image.open(io.BytesIO(files["figures/training.png"])) as image:
        assert image.width == round(300 * style.WIDTH)


def test_bars_are_means_with_student_s_interval(tmp_path: Path) -> None:
    values = [25.0, 26.0, 28.5]
    records = tuple(run(seed=seed, scores=[score("pa_epe", value, "mm")]) for seed, value in enumerate(values))
    axes = drawn(Evidence(tmp_path, records), spec("bars")).axes[0]
    assert axes.patches[0].get_width() == pytest.approx(np.mean(values))
    ends = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert axes.lines[0].get_xdata() == pytest.approx(ends)
    assert axes.lines[1].get_xdata() == pytest.approx(values)
    assert axes.get_xlim()[0] == 0


def test_a_random_encoder_is_a_line_only_where_one_number_holds_for_all(tmp_path: Path) -> None:
    def legend(*records: dict[str, Any]) -> list[str]:
        made = drawn(Evidence(tmp_path, records), spec("bars"))
        return [text.get_text() for found in made.legends for text in found.get_texts()]

    assert legend(run("peclr"), run("simclr")) == ["random encoder"]
    assert legend(run("peclr"), run("simclr", scores=[score("pa_epe", 27.0, "mm"), score("pa_epe/random", 33.0, "mm")])) == []
    assert legend(run("peclr"), run("simclr", scores=[score("pa_epe", 27.0, "mm")])) == []


def test_a_metric_over_the_share_of_labels(tmp_path: Path) -> None:
    evidence = full(tmp_path, shares=(0.1, 0.4, 1.0))
    axes = drawn(evidence, spec("labels", rows=("objective", "pose.labels"))).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["10", "40", "100"]
    means = {
        tuple(np.round(np.asarray(line.get_ydata(), float), 6).tolist()) for line in axes.lines if len(line.get_ydata()) == 3
    }
    assert (29.55, 28.05, 25.05) in means
    groups = selection.groups(evidence, evidence.records, ("objective",), apart_from=("pose.labels",))
    assert [(group.label, len(group.runs)) for group in groups] == [("none", 6), ("simclr", 6), ("peclr", 6)]


def test_runs_of_different_settings_are_never_averaged(tmp_path: Path) -> None:
    records = tuple(
        run(seed=seed, id=f"{heat}{seed}", settings={"temperature": heat}) for heat in (0.2, 0.5) for seed in range(2)
    )
    groups = selection.groups(Evidence(tmp_path, records), records, ("objective",))
    assert [group.label for group in groups] == ["temperature 0.2", "temperature 0.5"]
    assert [[run["id"] for run in group.runs] for group in groups] == [["0.20", "0.21"], ["0.50", "0.51"]]


def test_a_setting_run_twice_counts_once(tmp_path: Path) -> None:
    records = (run(id="old", created="2025-01-01"), run(id="new", created="2026-01-01"), run(id="other", seed=1))
    (group,) = selection.groups(Evidence(tmp_path, records), records, ("objective",))
    assert [run["id"] for run in group.runs] == ["new", "other"]


def test_a_suite_says_which_runs_and_in_which_order(tmp_path: Path) -> None:
    records = tuple(run(name, id=name) for name in (*OBJECTIVES, "stranger"))
    cells = [{"values": {"objective": name}, "seed": 0, "run": name} for name in OBJECTIVES]
    figures = [{"name": "mine", "title": "Mine", "kind": "bars", "where": {"objective": "peclr"}}]
    suite = {"name": "s", "axes": {"objective": ["peclr", "none", "simclr"]}, "cells": cells, "figures": figures}
    evidence = selection.members(Evidence(tmp_path, records, suite))
    groups = selection.groups(evidence, evidence.records, ("objective",))
    assert [group.label for group in groups] == ["peclr", "none", "simclr"]
    (drawing,) = gallery(Evidence(tmp_path, records, suite), ("svg",)).drawings
    assert (drawing.name, drawing.title, list(drawing.files)) == ("mine", "Mine", ["figures/mine.svg"])


def test_data_devices_and_budgets_get_a_figure_each(tmp_path: Path) -> None:
    records = (run(), run(id="b", dataset="photos", data={"fingerprint": "f1"}), run(id="c", budget="smoke"))
    found = gallery(Evidence(tmp_path, records), ("svg",))
    assert [drawing.name for drawing in found.drawings if drawing.kind == "bars"] == [
        "bars-photos-quick",
        "bars-synthetic-quick",
        "bars-synthetic-smoke",
    ]
    across = selection.lots(records, spec("bars", rows=("dataset", "budget")), "pa_epe")
    assert len(across) == 1


def test_what_older_runs_lack_is_left_out_with_a_reason(tmp_path: Path) -> None:
    found = gallery(Evidence(tmp_path, (run(), run("none"))), ("svg",))
    assert [drawing.kind for drawing in found.drawings] == ["bars", "cost"]
    assert len(found.left_out) == len(KINDS) - 2
    assert "curves.json" in found.left_out["Share of correct keypoints"]
    assert "examples.npz" in found.left_out["Best and worst predictions"]


@pytest.mark.parametrize("content", [b"", b"{", b"[1, 2]", b"PK\x03\x04 no archive"])
def test_damaged_files_are_as_good_as_none(content: bytes, tmp_path: Path) -> None:
    record = with_files(tmp_path, run())
    for name in ("curves.json", "metrics.csv", "equivariance.npz", "examples.npz"):
        (Path(record["folder"]) / name).write_bytes(content)
    found = gallery(Evidence(tmp_path, (record,)), ("svg",))
    assert [drawing.kind for drawing in found.drawings] == ["bars", "cost"]


def test_nothing_to_draw_says_what_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(Undrawable, match="objective = byol"):
        drawn(Evidence(tmp_path, (run(),)), spec("bars", where={"objective": "byol"}))
    with pytest.raises(Undrawable, match="no run has a score 'wobble'"):
        drawn(Evidence(tmp_path, (run(),)), spec("bars", metric="wobble"))
    assert gallery(Evidence(tmp_path, ())).left_out["Pre-training"] == "no run is finished"


def test_cost_is_the_time_of_all_training_whoever_did_it() -> None:
    assert seconds(run(seed=3)) == 123.0
    assert seconds({**run(), "stages": [{"name": "data", "key": "", "seconds": 9.0, "reused": False}]}) == 0.0


def test_missing_joints_and_curves_of_other_thresholds(tmp_path: Path) -> None:
    records = [with_files(tmp_path, run(seed=seed)) for seed in range(2)]
    path = Path(records[1]["folder"]) / "curves.json"
    curves = json.loads(path.read_text())
    curves["joints"]["pa_epe"][20] = None
    curves["pck"]["pa_epe"].update(thresholds=[0.0, 50.0], share=[0.0, 1.0])
    path.write_text(json.dumps(curves))
    evidence = Evidence(tmp_path, tuple(records))
    numbers = [text.get_text() for text in texts(drawn(evidence, spec("joints")))]
    assert "45" in numbers  # the little finger's tip, from the run that has it: 25 + 20
    line = drawn(evidence, spec("pck")).axes[0].lines[1]
    assert line.get_ydata()[1] == pytest.approx(100 * (5 / 50 + 5 / 50) / 2)


def test_the_drawn_hand_is_a_hand() -> None:
    where = places()
    assert where.shape == (21, 2)
    tips, knuckles = where[[8, 12, 16, 20]], where[[5, 9, 13, 17]]
    assert (tips[:, 1] > knuckles[:, 1]).all() and where[4, 0] < where[8, 0] < where[20, 0]
    apart = np.linalg.norm(where[:, None] - where[None], axis=-1) + np.eye(21)
    assert apart.min() > 0.15  # circles do not touch


def test_every_kind_of_a_suite_can_be_drawn() -> None:
    assert set(KINDS) == set(FigureSpec.__annotations__["kind"].__args__)
    assert set(galleries.TITLES) == set(KINDS)
