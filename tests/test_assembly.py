"""Augmentations of a recipe: presets, what goes over them, and clear refusals."""

from typing import Any

import pluggy
import pytest

from handbench.assembly import augmentation
from handbench.errors import RecipeError
from handbench.learn.augmentations.hsv_jitter import HsvJitter
from handbench.plugins import Plugins, discover
from handbench.recipe import build
from handbench.settings import Choice

PLUGINS = discover()


def parts(listed: str, *assignments: str, plugins: Plugins = PLUGINS) -> list[Any]:
    recipe = build(augmentation=listed, assignments=assignments)
    return [augmentation(plugins, choice) for choice in recipe.augmentation]


def test_a_preset_gives_the_published_ranges_and_settings_go_over_it() -> None:
    translate, jitter, blur = parts(
        "translate:published,hsv_jitter:published,gaussian_blur:published", "augmentation.gaussian_blur.probability=1"
    )
    assert translate.config.share == 15 / 128
    assert jitter.config == HsvJitter.Config.published()
    assert (blur.config.largest, blur.config.probability) == (2 / 128, 1.0)


def test_a_preset_may_stand_in_the_recipe(tmp_path: Any) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text('[[augmentation]]\nname = "random_resized_crop"\npreset = "published"\nsmallest = 0.5\n')
    (choice,) = build(file).augmentation
    config = augmentation(PLUGINS, choice).config
    assert (config.smallest, config.largest, config.ratio) == (0.5, 1.0, 4 / 3)
    (again,) = build(file, augmentation="random_resized_crop").augmentation
    assert again == choice  # named by option, it keeps what the recipe says of it


def test_the_resolved_settings_name_no_preset() -> None:
    (rotate,) = parts("rotate:published")
    assert rotate.choice == Choice("rotate", {"degrees": 45.0})


@pytest.mark.parametrize(
    ("listed", "assignments", "message"),
    [
        ("rotate:publishd", (), r"augmentation 'rotate': preset 'publishd' is unknown; did you mean 'published'\?"),
        ("flip:published", (), "augmentation 'flip' has no preset 'published'; give it settings of its own"),
        ("color_jitter:published", (), "no preset 'published': .* take hsv_jitter:published"),
        ("rotate,scale,rotate", (), "augmentation 'rotate' is named 2 times; name it once"),
        ("rotate,rotate:published", (), "augmentation 'rotate' is named 2 times"),
        ("solarize", ("augmentation.solarize.probability=2",), r"probability = 2.0 must be in \[0, 1\]"),
        ("cut_out", ("augmentation.cut_out.smallest=0.5",), "smallest, largest = 0.5, 0.28 is upside down"),
        ("rotate", ('pretrain.fill="blck"',), r"pretrain.fill = 'blck' is not allowed; did you mean 'black'\?"),
    ],
)
def test_mistakes_are_the_users(listed: str, assignments: tuple[str, ...], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parts(listed, *assignments)


class Swirl:
    """A filter that moves pixels, and says so."""

    kind, moves = "filter", True

    Config = type("Config", (), {})


class Offering:
    @staticmethod
    @pluggy.HookimplMarker("handbench")
    def handbench_augmentations() -> dict[str, type[Any]]:
        return {"swirl": Swirl}


def test_a_filter_that_moves_pixels_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "offering", Offering)  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match=r"'swirl' is a filter that moves pixels, .* give it kind = 'warp'"):
        parts("rotate,swirl", plugins=discover(["offering"]))
