"""What the user may set goes in; a checked Config and the preset of its domain come out.

`lab` stands for a labelled studio set: few subjects, plain backdrops, right hands that face or back the camera, nothing in the
way. `wild` stands for pictures from anywhere: many subjects, busy scenes, both hands, any orientation, objects in two of five.
"""

from dataclasses import dataclass, fields

from handbench.errors import RecipeError, unknown
from handbench.types import Part

GENERATOR_VERSION = 1  # raise whenever any pixel or label of any image changes

ROLLS = ("domain", "below", "uniform")
FRAMINGS = ("frame", "hand")
DEVICES = ("cpu", "cuda", "auto")

SMALLEST, STEP, MOST_SAMPLES = 32, 4, 4


@dataclass(frozen=True)
class Domain:
    """What tells one domain from the other.

    Args:
        subjects, scenes: sizes of the pools of training, validation and test, which share nothing.
        facing: hands face or back the camera, tilted a little, rather than turn in all directions.
        roll: where the forearm comes from when the Config leaves it to the domain.
        left: share of left hands.
        held, crossing: shares of images for which a held object, and one between hand and camera, is drawn; fewer keep it.
        busy: scenes with objects and patterns, rather than plain backdrops.
    """

    subjects: dict[Part, int]
    scenes: dict[Part, int]
    facing: bool
    roll: str
    left: float
    held: float
    crossing: float
    busy: bool


DOMAINS: dict[str, Domain] = {
    "lab": Domain(
        subjects={"train": 32, "validation": 8, "test": 8},
        scenes={"train": 20000, "validation": 2000, "test": 4000},
        facing=True,
        roll="below",
        left=0.0,
        held=0.0,
        crossing=0.0,
        busy=False,
    ),
    "wild": Domain(
        subjects={"train": 2000, "validation": 100, "test": 200},
        scenes={"train": 20000, "validation": 2000, "test": 4000},
        facing=False,
        roll="uniform",
        left=0.5,
        held=0.33,
        crossing=0.08,
        busy=True,
    ),
}


@dataclass(frozen=True)
class Config:
    """Settings of the synthetic hands; all but `device` decide what the images are.

    Args:
        domain: "lab" (plain studio) or "wild" (busy, any orientation, occluded).
        images, validation, test: number of images in each part; image i of a part stays the same when they change.
        size: side of an image in pixels; at least 32 and a multiple of 4.
        seed: another seed gives other subjects, scenes and poses.
        roll: where the arm comes from: "below" (normal, 60 degrees about the bottom), "uniform", or as the "domain" has it.
        antialias: samples along each side of a pixel; 1 is fastest, 2 gives smooth edges for four times the work.
        versions: training images of one hand that follow each other, each on another backdrop (FreiHAND has four).
        framing: "frame" takes the whole image as the hand's crop; "hand" gives the box of the hand in it.
        device: where images are rendered; "auto" takes CUDA where it is there.
    """

    domain: str = "lab"
    images: int = 6000
    validation: int = 600
    test: int = 1000
    size: int = 96
    seed: int = 0
    roll: str = "domain"
    antialias: int = 1
    versions: int = 1
    framing: str = "frame"
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.domain not in DOMAINS:
            raise RecipeError(unknown("domain", str(self.domain), DOMAINS))
        for name, allowed in (("roll", ROLLS), ("framing", FRAMINGS), ("device", DEVICES)):
            if getattr(self, name) not in allowed:
                raise RecipeError(unknown(f"{name} of the synthetic hands", str(getattr(self, name)), allowed))
        for name in ("images", "validation", "test", "versions"):
            _check(name, getattr(self, name), getattr(self, name) >= 1, "a whole number from 1 up")
        _check("size", self.size, self.size >= SMALLEST and self.size % STEP == 0, f"a multiple of {STEP}, at least {SMALLEST}")
        _check("antialias", self.antialias, 1 <= self.antialias <= MOST_SAMPLES, f"a whole number from 1 to {MOST_SAMPLES}")

    @property
    def preset(self) -> Domain:
        """The domain's facts."""
        return DOMAINS[self.domain]

    @property
    def roll_prior(self) -> str:
        """The roll's prior with "domain" resolved."""
        return self.preset.roll if self.roll == "domain" else self.roll

    def identity(self) -> str:
        """Every setting that decides what the images are, as text."""
        chosen = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "device"}
        return repr({**chosen, "roll": self.roll_prior})


def _check(name: str, value: int, good: bool, allowed: str) -> None:
    if not good:
        raise RecipeError(f"synthetic hands: {name} is {value}; it must be {allowed}: set dataset.{name}")
