"""A fitted pose network in, one safetensors file out, and back; and the guard that what is frozen stays as it is."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from handbench.configs import coerce
from handbench.errors import PluginError, ResultsError
from handbench.pose.finetune import PoseNetwork
from handbench.pose.probe import Standardised
from handbench.pose.refinement import RootRefinement
from handbench.pose25d import Convention

FILE = "pose.safetensors"
PARTS = ("backbone", "head", "refinement", "mean")


@dataclass(frozen=True)
class Window:
    """What a network was trained to look at.

    Args:
        size: side of a view, pixels.
        context: side of a packed crop over the side of the window that a view shows.
    """

    size: int
    context: float


@dataclass(frozen=True)
class Means:
    """The training hands' means: what is answered where nothing else is known.

    Args:
        scale: length of the convention's reference bone, metres; NaN where no training hand has one.
        pixels: of the view.
        joints: metres, camera frame.
    """

    scale: Float[Tensor, ""]
    pixels: Float[Tensor, "21 2"]
    joints: Float[Tensor, "21 3"]


@dataclass(frozen=True)
class Fitted:
    """A network that turns views into 2.5D poses, and what its poses mean.

    Args:
        network: in evaluation mode.
        convention: of its poses.
        window: what it was trained to look at.
        means: of the training hands.
        note: how it was chosen, where there was a choice.
    """

    network: PoseNetwork
    convention: Convention
    window: Window
    means: Means
    note: str = ""


def as_file(fitted: Fitted, *, with_encoder: bool) -> bytes:
    """The network as the content of a safetensors file; the encoder is left out where it is the pre-training's own."""
    state = {name: value for name, value in fitted.network.state_dict().items() if with_encoder or _part(name) != "backbone"}
    state |= {f"mean.{name}": value for name, value in vars(fitted.means).items()}
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    facts = {"convention": fitted.convention, "size": str(fitted.window.size), "context": repr(fitted.window.context)}
    return save(tensors, facts)


def read(path: Path, encoder: nn.Module, head_class: type[Any], head_config: Any) -> Fitted:
    """Put a network together again.

    Args:
        path: of the file.
        encoder: of the run's kind; with the pre-trained weights, which a file of a fine-tuned network replaces.
        head_class, head_config: of the run.

    Raises:
        ResultsError: the file is missing, damaged, or of another network (names the first key that does not fit).
    """
    state, facts = _contents(path)
    try:
        convention = coerce(facts["convention"], Convention, "convention")
        window, width = Window(int(facts["size"]), float(facts["context"])), int(encoder.width)  # type: ignore[arg-type]
        means = Means(*(state.pop(f"mean.{name}") for name in ("scale", "pixels", "joints")))
    except (KeyError, ValueError) as error:
        raise ResultsError(f"{path} is no pose network of handbench ({error} is missing or wrong); run again") from error
    head = head_class(head_config, width=width)
    if "head.mean" in state:
        head = Standardised(head, *(torch.zeros_like(state[f"head.{name}"]) for name in ("mean", "deviation", "pose")))
    refinement = RootRefinement() if any(_part(name) == "refinement" for name in state) else None
    network = PoseNetwork(encoder, head, refinement)
    own = {f"backbone.{name}": value for name, value in encoder.state_dict().items()}
    _load(network, {**(own if not any(_part(name) == "backbone" for name in state) else {}), **state}, path)
    return Fitted(network.eval(), convention, window, means)


@contextmanager
def frozen(encoder: nn.Module, name: str = "the backbone") -> Iterator[None]:
    """Hold an encoder to what it was: weights, batch-norm statistics and all other buffers, by their digest.

    Raises:
        PluginError: something changed; names it.
    """
    before = _digests(encoder)
    yield
    after = _digests(encoder)
    changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    if changed:
        raise PluginError(
            f"{name} changed while it was frozen: {changed[0]} and {len(changed) - 1} more tensors; "
            "a backbone in evaluation mode must leave its weights and statistics alone: mend the plugin"
        )


def _digests(module: nn.Module) -> dict[str, str]:
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    raw = {name: value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy() for name, value in tensors.items()}
    return {name: hashlib.blake2b(content.tobytes(), digest_size=16).hexdigest() for name, content in raw.items()}


def _contents(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not path.is_file():
        raise ResultsError(f"{path} is not there: its run kept no pose network; run it again")
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ResultsError(f"{path} is damaged ({error}); delete {path.parent} and run again") from error


def _load(network: PoseNetwork, state: dict[str, Tensor], path: Path) -> None:
    own = network.state_dict()
    wrong = [
        name for name in own.keys() | state.keys() if name not in own or name not in state or own[name].shape != state[name].shape
    ]
    if wrong:
        raise ResultsError(
            f"{path} does not fit the run's network: {len(wrong)} tensors missing, unknown or of another shape "
            f"(e.g. {min(wrong)}); the code or a plugin changed since, run again"
        )
    network.load_state_dict(state)


def _part(name: str) -> str:
    return name.partition(".")[0]
