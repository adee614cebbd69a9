"""Recipes: precedence, round trip, and one clear message for each mistake."""

from pathlib import Path

import pytest
import tomli_w

from handbench.errors import RecipeError
from handbench.recipe import build, from_tables, to_tables
from handbench.settings import Recipe

PHOTOS = {"dataset.name": "photos", "dataset.root": "folder"}


def test_defaults_are_the_quick_budget() -> None:
    recipe = build(options=PHOTOS)
    assert (recipe.budget, recipe.pretrain.view, recipe.backbone.name, recipe.objective.name) == ("quick", 64, "tiny", "peclr")
    assert [choice.name for choice in recipe.augmentation] == ["rotate", "translate", "scale", "color_jitter"]


def test_what_is_not_named_is_the_rendered_hands_and_peclr() -> None:
    recipe = build(assignments=["objective.temperature=0.2", "dataset.size=64"])
    assert (recipe.dataset.name, recipe.objective.name) == ("synthetic", "peclr")
    assert recipe.objective.settings == {"temperature": 0.2} and recipe.dataset.settings == {"size": 64}


def test_precedence(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text('[dataset]\nname = "photos"\n[pretrain]\nepochs = 3\nview = 48\n[pose]\nbatch = 7\n')
    assert build(file).pretrain.epochs == 3  # the default budget lies under the recipe
    asked = build(file, {"budget": "smoke"})
    assert asked.pretrain.epochs == 2 and asked.pose.batch == 32  # a budget that was asked for lies over it
    assert build(file, {"budget": "smoke"}, ["pretrain.epochs=9"]).pretrain.epochs == 9
    assert build(file, {"pose.labels": 0.5}, ["pose.labels=0.25"]).pose.labels == 0.25


@pytest.mark.parametrize("source", ["option", "file"])
def test_a_budget_never_replaces_a_named_backbone(tmp_path: Path, source: str) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text('[dataset]\nname = "photos"\n' + ('[backbone]\nname = "resnet18"\n' if source == "file" else ""))
    options = {"budget": "paper"} | ({"backbone.name": "resnet18"} if source == "option" else {})
    assert build(file, options).backbone.name == "resnet18"
    assert build(options=PHOTOS | {"budget": "paper"}).backbone.name == "resnet50"


def test_round_trip_through_toml(tmp_path: Path) -> None:
    options = PHOTOS | {"objective.name": "peclr", "objective.mode": "published", "pose.labels": 0.1, "head.name": "mlp"}
    recipe = build(options=options, assignments=["augmentation.rotate.degrees=90", "pretrain.micro_batch=64"])
    recipe = from_tables(
        to_tables(recipe)
        | {"pretrain": {**to_tables(recipe)["pretrain"], "data": [{"name": "photos", "root": "a", "weight": 2.0}]}}
    )
    file = tmp_path / "again.toml"
    file.write_text(tomli_w.dumps(to_tables(recipe)))
    again = build(file)
    assert again == recipe and isinstance(again, Recipe)
    assert again.pretrain.data[0].weight == 2.0 and again.augmentation[0].settings == {"degrees": 90}


def test_naming_another_component_drops_the_first_ones_settings(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text('[dataset]\nname = "photos"\n[objective]\nname = "peclr"\nmode = "published"\n')
    assert build(file, {"objective.name": "simclr"}).objective.settings == {}
    assert build(file, {"objective.name": "peclr"}).objective.settings == {"mode": "published"}


def test_augmentations_by_name_keep_the_recipes_settings(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(
        '[dataset]\nname = "photos"\n[[augmentation]]\nname = "rotate"\ndegrees = 10\n[[augmentation]]\nname = "scale"\n'
    )
    chosen = build(file, augmentation="color_jitter,rotate").augmentation
    assert [(choice.name, dict(choice.settings)) for choice in chosen] == [("color_jitter", {}), ("rotate", {"degrees": 10})]
    assert build(file, augmentation="").augmentation == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[dataset]\nname = 'photos'\n[pretrian]\n", r"'pretrian' is not a key of \[recipe\]; did you mean 'pretrain'"),
        ("[dataset]\nname = 'photos'\n[pretrain]\nepoch = 2\n", r"'epoch' is not a key of \[pretrain\]; did you mean 'epochs'"),
        ("[dataset]\nname = 'photos'\n[pretrain]\nepochs = 'two'\n", "pretrain.epochs = 'two' is a str; a int is wanted"),
        ("[dataset]\nname = 'photos'\n[pretrain]\nepochs = true\n", "pretrain.epochs = True is a bool"),
        ("[dataset]\nname = 'photos'\n[pose]\nprotocol = 'finetun'\n", "did you mean 'finetune'"),
        ("[dataset]\nname = 'photos'\n[pose]\nlabels = 0.0\n", "labels = 0.0 must be in"),
        ("[dataset]\nname = 'photos'\n[pretrain]\nbatch = 100\nmicro_batch = 30\n", "micro_batch = 30 must divide batch = 100"),
        ("[dataset]\nname = 'photos'\n[[augmentation]]\ndegrees = 3\n", r"\[augmentation\] needs a name"),
        ("[dataset]\nname = 'photos'\n[augmentation]\nname = 'rotate'\n", "must be an array of tables"),
        ("[dataset]\nname = 'photos'\n[[pretrain.data]]\nname = 'x'\nweight = 0\n", "weight = 0.0 must be above 0"),
        ("budget = 'huge'\n[dataset]\nname = 'photos'\n", "budget 'huge' is unknown; use one of smoke, quick, paper"),
        ("seed = 'a'\n[dataset]\nname = 'photos'\n", "recipe.seed = 'a'"),
        ("not toml", "not valid TOML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(text)
    with pytest.raises(RecipeError, match=message):
        build(file)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("pretrain.epochs", "not of the form key=value"),
        ("augmentation.rotat.degrees=3", "lists no 'rotat'"),
        ("seed.x=1", "is a value, not a table"),
    ],
)
def test_wrong_assignments_are_named(assignment: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        build(options=PHOTOS | {"seed": 1}, assignments=[assignment])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none.toml cannot be read"):
        build(tmp_path / "none.toml")


def test_folders_go_to_the_datasets_they_name(tmp_path: Path) -> None:
    file = tmp_path / "mixture.toml"
    file.write_text('[dataset]\nname = "freihand"\n[[pretrain.data]]\nname = "freihand"\n[[pretrain.data]]\nname = "photos"\n')
    recipe = build(file, roots=["photos=mine", "/data/frei=hand"])
    assert recipe.dataset.root == "/data/frei=hand"
    assert [source.root for source in recipe.pretrain.data] == ["/data/frei=hand", "mine"]
    with pytest.raises(RecipeError, match="no dataset 'fotos'"):
        build(file, roots=["fotos=x"])
