"""What a recipe may hold: one frozen dataclass a table, each value checked, and the budgets that fill them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Table = dict[str, Any]
Fill = Literal["reflect", "black", "grey"]
Probe = Literal["classes", "retrieval", "spread", "rotation", "translation", "turn", "commutation", "hand", "poses"]
PROBES: tuple[Probe, ...] = get_args(Probe)


def _positive(**values: float) -> None:
    for key, value in values.items():
        if not value > 0:
            raise ValueError(f"{key} = {value} must be above 0")


@dataclass(frozen=True)
class Choice:
    """A component by name, with settings for its Config."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A dataset to read: plugin name, the user's folder, the plugin's settings, and its weight in a mixture.

    Args:
        name: of the dataset, as `handbench plugins` lists it.
        root: the dataset's folder or file; --data gives it too.
        weight: share of the images in a mixture, over the sum of all weights.
        settings: for the plugin's own Config.
    """

    name: str
    root: str | None = None
    weight: float = 1.0
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pretrain:
    """[pretrain]: the schedule of pre-training.

    Args:
        epochs: passes over the images.
        images: at most so many of the training part's images, whole frames at a time; None = all.
        view: side of a view in pixels.
        fill: what a view, also one for probes and pose, shows beyond the packed crop: its reflection, black or mid-grey. The
            paper's black corners betray the angle.
        batch: images that make up one optimiser step.
        micro_batch: images the loss sees at once; None = the whole batch. Gradients accumulate over micro-batches, and
        an anchor's
            negatives come from its own micro-batch only.
        learning_rate: base rate, scaled by sqrt(batch).
        warmup: share of the steps over which the rate rises.
        weight_decay: on weights, not on biases and norm layers.
        lars: scale gradients by LARS before Adam, as the paper's code does.
        compile: have torch.compile make the backbone and the views; auto = on CUDA, where the run is long enough to gain by it.
        data: what to pre-train on; empty = the training part of [dataset].
    """

    epochs: int = 16
    images: int | None = None
    view: int = 64
    fill: Fill = "reflect"
    batch: int = 128
    micro_batch: int | None = None
    learning_rate: float = 1e-4
    warmup: float = 0.1
    weight_decay: float = 1e-6
    lars: bool = False
    compile: bool | Literal["auto"] = "auto"
    data: tuple[Source, ...] = ()

    def __post_init__(self) -> None:
        _positive(epochs=self.epochs, view=self.view, batch=self.batch, learning_rate=self.learning_rate)
        if self.images is not None:
            _positive(images=self.images)
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup = {self.warmup} must be in [0, 1)")
        if self.micro_batch is not None and (self.micro_batch < 2 or self.batch % self.micro_batch):
            raise ValueError(f"micro_batch = {self.micro_batch} must divide batch = {self.batch} and be at least 2")
        if self.batch < 2:
            raise ValueError("batch must be at least 2: a contrastive loss needs another image")


@dataclass(frozen=True)
class Measure:
    """[measure]: probes of the frozen features.

    Args:
        probes: which to run; what data or objective do not allow is left out anyway.
        images: at most so many training and as many held-out images.
        pairs: at most so many of each are looked at twice to decode translation and scale.
        neighbours: k of the k-NN probe.
        turn: degrees by which images are turned to measure the latent turn.
        rotation: views to decode rotation from are each turned by up to ± this many degrees.
        translation: views to decode translation from are each shifted by up to ± this share of the view's side, along x and y.
        scale: the largest ratio of the sizes of two views to decode scale from.
    """

    probes: tuple[Probe, ...] = PROBES
    images: int = 2000
    pairs: int = 500
    neighbours: int = 20
    turn: float = 30.0
    rotation: float = 45.0
    translation: float = 0.125
    scale: float = 1.4

    def __post_init__(self) -> None:
        _positive(images=self.images, neighbours=self.neighbours, turn=self.turn, rotation=self.rotation)
        _positive(pairs=self.pairs, translation=self.translation)
        if not self.scale > 1:
            raise ValueError(f"scale = {self.scale} must be above 1: it is the larger size over the smaller")


@dataclass(frozen=True)
class Pose:
    """[pose]: from features to a 3D pose.

    Args:
        protocol: probe (frozen encoder, linear head), mlp (frozen encoder, two-layer head) or finetune (everything trains).
        labels: share of the labelled frames used, nested over shares.
        epochs, batch, learning_rate, weight_decay: of the head's or the whole network's training; the rate is scaled by
            sqrt(batch).
        convention: root and reference bone of the 2.5D pose.
        scale: length of the reference bone at test time: given with the data (the training mean where a hand has none), or the
            training mean for all.
        refine: let a small network improve the root depth that lifting solves for; fine-tuning trains it.
    """

    protocol: Literal["probe", "mlp", "finetune"] = "probe"
    labels: float = 1.0
    epochs: int = 20
    batch: int = 128
    learning_rate: float = 4.42e-5
    weight_decay: float = 2e-4
    convention: Literal["wrist", "palm"] = "wrist"
    scale: Literal["given", "mean"] = "given"
    refine: bool = False

    def __post_init__(self) -> None:
        _positive(epochs=self.epochs, batch=self.batch, learning_rate=self.learning_rate)
        if self.refine and self.protocol != "finetune":
            raise ValueError(
                f"refine = true trains with the network, and protocol = {self.protocol} freezes it; use protocol = finetune"
            )
        if not 0 < self.labels <= 1:
            raise ValueError(f"labels = {self.labels} must be in (0, 1]")


@dataclass(frozen=True)
class Recipe:
    """A complete run."""

    dataset: Source
    seed: int = 0
    budget: str = "quick"
    device: str = "auto"
    augmentation: tuple[Choice, ...] = ()
    backbone: Choice = Choice("tiny")
    objective: Choice = Choice("peclr")
    pretrain: Pretrain = Pretrain()
    measure: Measure = Measure()
    head: Choice | None = None
    pose: Pose = Pose()
    evaluate: Source | None = None
    metric: tuple[Choice, ...] = ()


# One main dial. Seconds, minutes on two CPU cores, and the paper's schedule (README's table is made from this).
BUDGETS: dict[str, Table] = {
    "smoke": {
        "backbone": {"name": "tiny"},
        "pretrain": {"epochs": 2, "images": 256, "view": 32, "batch": 64, "learning_rate": 5e-4},
        "measure": {"images": 200},
        "pose": {"epochs": 2, "batch": 32},
    },
    "quick": {
        "backbone": {"name": "tiny"},
        "pretrain": {"epochs": 8, "images": 6000, "view": 64, "batch": 64, "learning_rate": 5e-4},
        "measure": {"images": 2000},
        "pose": {"epochs": 15, "batch": 32, "learning_rate": 2e-4},
    },
    "paper": {
        "backbone": {"name": "resnet50"},
        "pretrain": {"epochs": 100, "view": 128, "batch": 2048, "micro_batch": 128, "lars": True},
        "measure": {"images": 10000, "pairs": 5000},
        "pose": {"epochs": 100, "batch": 128},
    },
}
