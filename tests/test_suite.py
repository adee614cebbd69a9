"""Suites: grids to recipes, every mistake with the suite's name, and a contract that every built-in one keeps."""

from pathlib import Path
from typing import Any

import pytest
from fixtures import write_freihand

from handbench.assembly import Opened, assemble, open_source
from handbench.configs import as_settings
from handbench.errors import HandbenchError, PluginError, RecipeError
from handbench.plugins import discover
from handbench.settings import Source
from handbench.suite import Cell, Given, Suite, document_of, seeds_needed
from handbench.suites import load, title_of
from handbench.suites.reading import parse

FOUND = discover()
NAMES = sorted(offer.name for offer in FOUND.suites)


def small(**tables: Any) -> dict[str, Any]:
    return {"title": "small", "recipe": {"budget": "smoke"}, **tables}


def names(suite: Suite, given: Given | None = None) -> list[str]:
    return [cell.name for cell in suite.cells(given)]


def test_the_built_in_suites_are_the_documented_ones() -> None:
    assert NAMES == [
        "peclr-augmentations",
        "peclr-cross-dataset",
        "peclr-invariant-vs-equivariant",
        "peclr-label-efficiency",
        "peclr-state-of-the-art",
        "quickstart",
        "synthetic-evidence",
    ]
    assert all(title_of(offer) for offer in FOUND.suites)


@pytest.mark.parametrize("data", [(), ("freihand",), ("freihand", "youtube3d")], ids="-".join)
@pytest.mark.parametrize("name", NAMES)
def test_every_built_in_suite_expands_and_every_cell_resolves(name: str, data: tuple[str, ...], tmp_path: Path) -> None:
    if name == "synthetic-evidence" and data:
        with pytest.raises(RecipeError, match=r"suite 'synthetic-evidence' has no use for --data: dataset 'freihand'"):
            load(name, FOUND, data)
        return
    suite = load(name, FOUND, data)
    roots = {word: str(tmp_path / word) for word in data}
    write_freihand(tmp_path / "freihand", unique=2, evaluation=1)
    cells = suite.cells(Given("smoke", roots, seeds=(0,)))
    assert len(cells) == len({cell.name for cell in cells}) > 1 and suite.tables and suite.title and suite.about
    kept: dict[str, Opened] = {}

    def opened(source: Source) -> Opened:
        """Each once; YouTube's folder need not be there to see that the recipe names it."""
        bare = Source("synthetic") if source.name == "youtube3d" else source
        return kept.setdefault(str(as_settings(bare)), open_source(FOUND, bare))

    for cell in cells:
        assembly = assemble(cell.recipe, FOUND, opened)
        assert cell.recipe.budget == "smoke" and cell.recipe.pretrain.epochs == 2 and assembly.metrics
        used = [cell.recipe.dataset, *cell.recipe.pretrain.data, *([cell.recipe.evaluate] if cell.recipe.evaluate else [])]
        assert all(source.root == roots.get(source.name) for source in used)
    assert {source.name for cell in cells for source in cell.recipe.pretrain.data} == (set(data) if len(data) == 2 else set())
    if "freihand" in data:
        assert any("freihand" in (cell.recipe.dataset.name, getattr(cell.recipe.evaluate, "name", "")) for cell in cells)


@pytest.mark.parametrize("name", NAMES)
def test_tables_and_figures_of_the_built_in_suites_find_runs(name: str) -> None:
    suite = load(name, FOUND)
    document = document_of(suite, suite.cells(), {}, {})
    for spec in (*suite.tables, *suite.figures):
        for axis, value in {**spec.where, **getattr(spec, "against", {})}.items():
            assert value in document["axes"][axis], f"{spec.name}: no run has {axis} = {value}"
        assert all(axis in document["axes"] for axis in spec.rows), spec.name


def test_the_evidence_suite_has_the_seeds_that_its_tables_need() -> None:
    suite = load("synthetic-evidence", FOUND)
    axes = document_of(suite, suite.cells(), {}, {})["axes"]
    for table in suite.tables:
        rows = [len(axes[axis]) for axis in table.rows]
        columns = [len(axes[axis]) for axis in table.columns]
        if table.against:
            comparisons = (rows[0] - 1) * columns[0]
            assert comparisons == 6 and len(suite.seeds) >= seeds_needed(comparisons)
            assert comparisons * 2.0 ** (1 - len(suite.seeds)) <= 0.05 < comparisons * 2.0 ** (2 - len(suite.seeds))
    assert suite.claims and not load("quickstart", FOUND).claims and load("quickstart", FOUND).seeds == (0,)


def test_the_augmentation_suite_holds_the_paper_s_sets() -> None:
    sets: dict[str, set[str]] = {"simclr": set(), "peclr": set()}
    for cell in load("peclr-augmentations", FOUND).cells():
        if cell.recipe.objective.name in sets:
            sets[cell.recipe.objective.name].add(cell.values["augmentation"])
    together = {words for words in sets["peclr"] if "+" in words}
    assert len(together) == 11 and {words for words in sets["simclr"] if "+" in words} == together
    assert len(sets["simclr"] - together) == 9 and len(sets["peclr"] - together) == 4


def test_published_rows_are_those_of_the_paper_s_code() -> None:
    rows = load("peclr-state-of-the-art", FOUND).published
    assert [(row.values["epe_3d"], row.values["auc"], row.values["pa_epe"], row.values["pa_auc"]) for row in rows] == [
        (47.1, 0.357, 7.1, 0.860),
        (45.6, 0.360, 6.6, 0.868),
    ]
    assert all("arXiv:2106.05953" in row.source for row in rows)


def test_a_grid_is_a_product_and_several_are_a_union() -> None:
    grid = [{"objective": ["none"]}, {"objective": ["simclr", "peclr"], "pose": {"labels": [0.5, 1.0]}}, {"objective": ["none"]}]
    cells = parse(small(grid=grid, seeds=[0, 3]), "s").cells()
    assert [cell.name for cell in cells if cell.seed == 3] == [
        "objective=none,seed=3",
        "objective=simclr,pose.labels=0.5,seed=3",
        "objective=simclr,pose.labels=1.0,seed=3",
        "objective=peclr,pose.labels=0.5,seed=3",
        "objective=peclr,pose.labels=1.0,seed=3",
    ]
    assert len(cells) == 10 and {cell.recipe.seed for cell in cells} == {0, 3}
    assert cells[1].recipe.pose.labels == 0.5 and cells[1].recipe.objective.name == "simclr"


def test_augmentations_are_sets_in_their_order() -> None:
    cells = parse(small(grid=[{"augmentation": [["rotate", "scale"], []]}]), "s").cells()
    assert [[choice.name for choice in cell.recipe.augmentation] for cell in cells] == [["rotate", "scale"], []]
    assert [cell.values["augmentation"] for cell in cells] == ["rotate+scale", ""]


def test_what_the_user_gives_lies_over_the_suite() -> None:
    suite = parse(small(grid=[{"objective": ["simclr", "peclr"], "backbone": ["resnet50"]}]), "s")
    given = Given(budget="quick", seeds=(4,), assignments=("backbone.name=tiny", "pretrain.epochs=1"))
    cells = suite.cells(given)
    assert [(cell.seed, cell.recipe.budget, cell.recipe.pretrain.epochs) for cell in cells] == [(4, "quick", 1)] * 2
    assert [cell.values for cell in cells] == [{"objective": name, "backbone": "tiny"} for name in ("simclr", "peclr")]
    assert {cell.recipe.backbone.name for cell in cells} == {"tiny"}


def test_a_variant_replaces_another_component_s_settings_whole() -> None:
    document = small(grid=[{"objective": ["none"]}])
    document["recipe"]["dataset"] = {"name": "synthetic", "domain": "wild"}
    document["variant"] = {"freihand": {"recipe": {"dataset": {"name": "freihand"}}, "seeds": [7]}}
    (own,), (other,) = parse(document, "s").cells(), parse(document, "s", ["freihand"]).cells(Given(roots={"freihand": "F"}))
    assert own.recipe.dataset == Source("synthetic", settings={"domain": "wild"})
    assert other.recipe.dataset == Source("freihand", "F") and other.seed == 7
    assert parse(document, "s").cells() == (own,), "laying a variant over a suite leaves the document as it was"


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"grid": [{"objectve": ["none"]}]}, r"suite 's': axis 'objectve' is unknown; did you mean 'objective'\?"),
        ({"grid": [{"pose": {"label": [1.0]}}]}, r"suite 's': axis 'pose.label' is unknown; did you mean 'pose.labels'\?"),
        ({"grid": [{"objective": "none"}]}, r"suite 's': axis 'objective' = 'none' must be an array of values"),
        ({"grid": [{"augmentation": ["rotate"]}]}, r"suite 's': each value of axis 'augmentation' is an array of names"),
        ({"grids": []}, r"suite 's': key 'grids' is unknown; did you mean 'grid'\?"),
        ({"seeds": ["a"]}, r"suite 's': suite.seeds\[0\] = 'a' is a str; a int is wanted"),
        ({"table": [{"name": "t"}]}, r"suite 's': \[table\] is not valid: .*title"),
        (
            {"table": [{"name": "t", "title": "t", "rows": ["objektive"], "metrics": []}]},
            r"suite 's': axis 'objektive' is unknown",
        ),
        ({"figure": [{"name": "f", "title": "f", "kind": "bar"}]}, r"suite 's': figure.kind = 'bar' is not allowed.*'bars'"),
    ],
)
def test_mistakes_name_the_suite_the_key_and_the_near_names(tables: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parse(small(**tables), "s")


def test_a_value_that_makes_no_recipe_names_suite_and_cell() -> None:
    with pytest.raises(RecipeError, match=r"suite 's', cell pose.labels = 2.0: .*labels = 2.0 must be in \(0, 1\]"):
        parse(small(grid=[{"pose": {"labels": [2.0]}}]), "s").cells()


def test_finding_suites(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"suite 'quikstart' is unknown; did you mean 'quickstart'\?"):
        load("quikstart", FOUND)
    with pytest.raises(RecipeError, match="cannot be read"):
        load(str(tmp_path / "mine.toml"), FOUND)
    (tmp_path / "mine.toml").write_text("title = ")
    with pytest.raises(RecipeError, match="not valid TOML"):
        load(str(tmp_path / "mine.toml"), FOUND)
    (tmp_path / "mine.toml").write_text('title = "mine"\n[[grid]]\nobjective = ["none"]\n')
    assert load(str(tmp_path / "mine.toml"), FOUND).name == "mine"


def test_a_plugin_s_suites_come_as_text_or_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs.toml").write_text('title = "theirs"\n[[grid]]\nseed = [1]\n')
    (tmp_path / "suite_plugin.py").write_text(
        "from pathlib import Path\nfrom handbench.hookspecs import hookimpl\n@hookimpl\ndef handbench_suites():\n"
        "    return {'theirs': Path(__file__).with_name('theirs.toml'), 'text': 'title = \"as text\"',\n"
        "            'lost': Path('gone.toml'), 'quickstart': ''}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = discover(("suite_plugin",))
    assert title_of(found.find_suite("theirs")) == "theirs" and load("text", found).title == "as text"
    with pytest.raises(HandbenchError, match="suite 'theirs': axis 'seed' is unknown"):
        load("theirs", found)
    with pytest.raises(PluginError, match="suite 'lost' of --plugin suite_plugin cannot be read"):
        load("lost", found)
    with pytest.raises(PluginError, match=r"suite 'quickstart' is offered by handbench.suites .* and suite_plugin"):
        load("quickstart", found)
    assert any("suite 'quickstart' is offered by" in line for line in found.clashes())


def test_a_suite_is_stored_as_reports_receive_it() -> None:
    table = {"name": "t", "title": "T", "rows": ["objective"], "metrics": ["mpjpe"], "against": {"objective": "none"}}
    suite = parse(small(grid=[{"objective": ["none", "peclr"]}], table=[table]), "s")
    cells = suite.cells()
    stored = document_of(suite, cells, {cells[0].name: "none-1"}, {"budget": None})
    assert stored["cells"] == [
        {"values": {"objective": "none"}, "seed": 0, "run": "none-1"},
        {"values": {"objective": "peclr"}, "seed": 0, "run": None},
    ]
    assert stored["axes"] == {"objective": ["none", "peclr"]} and stored["seeds"] == [0] and stored["name"] == "s"
    assert stored["tables"] == [{**table, "columns": [], "where": {}, "published": False}]


def test_a_cell_s_name_can_be_a_file_s() -> None:
    cell = Cell({"backbone": "../vit/x", "augmentation": "rotate+scale"}, 3, parse(small(), "s").cells()[0].recipe)
    assert cell.name == "backbone=.._vit_x,augmentation=rotate+scale,seed=3"
