"""Every check of the contract catches a component that was broken for it; a check that catches nothing has no place."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import broken_learning
import broken_scoring
import numpy as np
import pytest
from fixtures import hand_joints, write_photos

from handbench.data.datasets.photos import Photos
from handbench.errors import PluginError
from handbench.plugins import KINDS, discover
from handbench.pose.plausibility import oddities
from handbench.testing import Violation, checks

# kind, component, the check that must catch it, what its message says
CAUGHT: list[tuple[str, Any, str, str]] = [
    ("objective", broken_learning.Thawed, "config_is_frozen_and_round_trips", "frozen=True"),
    ("objective", broken_learning.Demanding, "config_is_frozen_and_round_trips", "temperature"),
    ("objective", broken_learning.Nameless, "class_says_what_it_is", "no docstring"),
    ("objective", broken_learning.Endless, "loss_is_a_finite_number", "expected one finite number"),
    ("objective", broken_learning.Attached, "loss_is_a_finite_number", "monitor loss"),
    ("objective", broken_learning.Detached, "gradient_reaches_the_encoder", "no gradient reaches"),
    ("objective", broken_learning.Overflowing, "half_precision_is_no_problem", "under bf16"),
    ("objective", broken_learning.Climbing, "loss_falls_on_a_toy_set", "the loss went from"),
    ("objective", broken_learning.Collapsing, "features_do_not_collapse", "effective rank|nearly the same"),
    ("objective", broken_learning.Favouring, "order_of_the_batch_does_not_count", "shuffled batch"),
    ("objective", broken_learning.Moody, "seed_decides", "same seed"),
    ("objective", broken_learning.Forgetful, "state_carries_over", "as buffers"),
    ("objective", broken_learning.SaidInvariant, "declared_symmetry_is_measured", "declared invariant"),
    ("objective", broken_learning.SaidEquivariant, "declared_symmetry_is_measured", "whatever the warps"),
    ("objective", broken_learning.Backwards, "declared_symmetry_is_measured", "off after undo"),
    ("augmentation", broken_learning.Shadow, "kind_is_one_of_three", "'shadow'"),
    ("augmentation", broken_learning.Flat, "kind_is_one_of_three", "expected"),
    ("augmentation", broken_learning.Restless, "draw_belongs_to_its_key", "generator that is passed"),
    ("augmentation", broken_learning.OneForAll, "draw_belongs_to_its_key", "same draw"),
    ("augmentation", broken_learning.Glaring, "views_stay_in_range", "expected 0 to 1"),
    ("augmentation", broken_learning.Squashing, "warp_can_be_undone", "areas"),
    ("augmentation", broken_learning.DarkerInBytes, "bytes_change_as_floats_do", "grey levels"),
    ("augmentation", broken_learning.Sliding, "joints_move_with_the_pixels", "make it a warp"),
    ("backbone", broken_learning.Wide, "gives_as_many_features_as_it_says", "expected"),
    ("backbone", broken_learning.Blind, "features_tell_images_apart", "same features"),
    ("backbone", broken_learning.Sociable, "evaluation_does_not_mind_batch_mates", "other images of the batch"),
    ("backbone", broken_learning.Striding, "channels_last_changes_nothing", "memory format"),
    ("backbone", broken_learning.Severed, "gradient_reaches_the_input", "detaches"),
    ("backbone", broken_learning.Seedless, "weights_follow_the_seed", "two seeds"),
    ("head", broken_scoring.Short, "gives_poses", "expected"),
    ("head", broken_scoring.Stiff, "can_learn_every_number", "joint 0"),
    ("head", broken_scoring.Stateless, "state_carries_over", "state dict"),
    ("metric", broken_scoring.Unsigned, "scores_are_complete", "protocol"),
    ("metric", broken_scoring.Upended, "perfect_is_better_than_wrong", "perfect"),
    ("metric", broken_scoring.Ordered, "order_of_hands_does_not_count", "order of the hands"),
    ("metric", broken_scoring.Spoiled, "hands_that_cannot_be_scored_are_counted_out", "could not be lifted"),
    ("dataset", broken_scoring.Twins, "has_samples_with_names_of_their_own", "one key"),
    ("dataset", broken_scoring.Wandering, "indices_are_stable", "second time"),
    ("dataset", broken_scoring.Boundless, "sample_is_what_it_says", "testing"),
    ("dataset", broken_scoring.OpenGL, "joints_are_metres_before_the_camera", "behind the camera"),
    ("dataset", broken_scoring.Elsewhere, "joints_are_metres_before_the_camera", "away from their 2D labels"),
    ("dataset", broken_scoring.Millimetres, "hands_look_like_hands", "millimetre"),
    ("dataset", broken_scoring.OffByAFinger, "hands_look_like_hands", "where thumb should be"),
    ("dataset", broken_scoring.Mirrored, "hands_look_like_hands", "left"),
    ("dataset", broken_scoring.Dated, "fingerprint_is_that_of_the_data", "fingerprints"),
    ("dataset", broken_scoring.Unpicklable, "workers_can_have_it", "."),
    ("report", broken_scoring.Bare, "nothing_is_no_error", "."),
    ("report", broken_scoring.Straying, "files_are_bytes_below_its_folder", "below"),
    ("report", broken_scoring.Textual, "files_are_bytes_below_its_folder", "bytes"),
    ("report", broken_scoring.Fickle, "same_records_same_bytes", "differ"),
    ("report", broken_scoring.Trusting, "odd_records_are_no_error", "."),
]
# Whatever these raise is theirs: a crash is a finding, too.
CRASHES = (broken_scoring.Unpicklable, broken_scoring.Bare, broken_scoring.Textual, broken_scoring.Trusting)


@pytest.mark.parametrize(("kind", "component", "promise", "message"), CAUGHT, ids=lambda value: getattr(value, "__name__", None))
def test_broken_component_is_caught(kind: str, component: Any, promise: str, message: str) -> None:
    (check,) = [check for check in checks(kind, component) if check.name == promise]
    raised = Exception if component in CRASHES else Violation
    with pytest.raises(raised, match=f"(?s){message}"):
        check()


class BlindToChange(Photos):
    """Its fingerprint knows the names of the files only."""

    def fingerprint(self) -> str:
        return str(len(self))


class Impatient(Photos):
    """Raises whatever the decoder does."""

    def samples(self, indices: Any) -> Any:
        return [sample if not isinstance(sample, Exception) else ValueError("no") for sample in super().samples(indices)]


class Welcoming(Photos):
    """Takes any folder for an empty one."""

    def __init__(self, config: Any, root: Any = None) -> None:
        if root.exists():
            super().__init__(config, root)


OF_FILES = [
    (BlindToChange, "fingerprint_is_that_of_the_data", "does not change"),
    (Impatient, "bad_file_is_named_and_passed_over", "expected UnreadableSample"),
    (Welcoming, "missing_folder_is_said", "is no error"),
]


@pytest.mark.parametrize(("component", "promise", "message"), OF_FILES, ids=lambda value: getattr(value, "__name__", None))
def test_broken_dataset_of_files_is_caught(component: Any, promise: str, message: str, tmp_path: Path) -> None:
    (check,) = [check for check in checks("dataset", component, root=write_photos(tmp_path / "photos")) if check.name == promise]
    with pytest.raises(Violation, match=message):
        check()


def test_every_check_catches_something() -> None:
    caught = defaultdict(set)
    for kind, _, promise, _ in CAUGHT:
        caught[kind].add(promise)
    caught["dataset"] |= {promise for _, promise, _ in OF_FILES}
    of_every_kind = {"config_is_frozen_and_round_trips", "class_says_what_it_is"}
    one_of = {kind: component for kind, component, *_ in CAUGHT}
    for kind in KINDS:
        idle = {check.name for check in checks(kind, one_of[kind])} - caught[kind] - of_every_kind
        assert not idle, f"{kind}: nothing broken was ever caught by {idle}"


def test_the_hand_that_breaks_are_made_from_is_sound() -> None:
    assert oddities(np.stack([hand_joints(number) for number in range(6)]), side="right") == []
    for check in checks("dataset", broken_scoring.Hands):
        check()


def test_names_are_resolved_as_recipes_resolve_them() -> None:
    found = discover()
    assert {check.subject.target.__name__ for check in checks("objective", "peclr", plugins=found)} == {"PeCLR"}
    assert checks("backbone", "resnet18", plugins=found)[0].subject.config().model == "resnet18"
    with pytest.raises(PluginError, match="did you mean 'peclr'"):
        checks("objective", "pecrl", plugins=found)
    with pytest.raises(PluginError, match="kind 'objectives' is unknown"):
        checks("objectives", "peclr", plugins=found)
