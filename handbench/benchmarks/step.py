"""Bench step: backbone, objectives and sizes in; views a second of whole training steps, and the share spent on data, out.

A step is what pre-training does: views, forward, loss, backward, fused Adam. With real input the views are made in every step;
with synthetic tensors they were made once, so that the difference is what the step waits for data.
"""

import copy
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from handbench import devices
from handbench.assembly import make_backbone, make_objective, part
from handbench.benchmarks import Arm, Claim, Timing, ratio
from handbench.data.cache import Cache
from handbench.data.datasets.synthetic.dataset import SyntheticHands
from handbench.data.material import crop_side
from handbench.data.packing import pack
from handbench.data.pool import Pool
from handbench.learn.pretrain import Learner
from handbench.learn.views import make_views
from handbench.optimisation import adam, set_rate
from handbench.plugins import Plugins, discover
from handbench.protocols import Augmentation
from handbench.settings import Choice
from handbench.types import Facts, Views

BEST_SET = ("rotate", "scale", "translate", "color_jitter")
RATE = 1e-3
FASTER = 1.7  # promised of bf16 + channels_last over fp32 where the CPU multiplies bf16
WAIT, NEAR = 0.05, 0.03  # promised on a GPU: share of data, and how far objectives may differ


@dataclass(frozen=True)
class Setting:
    """What is stepped.

    Args:
        backbone: its name.
        objectives: names; the first is the measure of the others.
        view: side of a view in pixels.
        batch: images in a step, two views of each.
        steps: in a round.
        device: where.
        compiled: add an arm with torch.compile.
    """

    backbone: str
    objectives: tuple[str, ...]
    view: int
    batch: int
    steps: int
    device: torch.device
    compiled: bool = False


def arms(setting: Setting) -> list[Arm]:
    """Real and synthetic input for each objective, then the first objective in plain fp32, and compiled where asked for."""
    plugins = discover()
    augmentations: list[Augmentation] = [part(plugins, "augmentation", Choice(name)).make() for name in BEST_SET]
    pool = _pool(setting)
    kept = _views(pool, augmentations, setting, 0)
    made = []
    for name in setting.objectives:
        learner = _learner(plugins, setting, name)
        here = devices.describe(setting.device).split(", ")[-1]
        work = _stepper(setting, learner, lambda step: _views(pool, augmentations, setting, step))
        made.append(Arm(f"{name}, real input", f"views made in every step from the pool; {here}, channels last", work))
        still = _stepper(setting, copy.deepcopy(learner), lambda _step: kept)
        made.append(Arm(f"{name}, synthetic", f"the same without making views; {here}, channels last", still))
    first = setting.objectives[0]
    plain = _learner(plugins, setting, first).to(memory_format=torch.contiguous_format)
    work = _stepper(setting, plain, lambda _step: kept, full=True)
    made.append(Arm(f"{first}, fp32 NCHW", "synthetic tensors; fp32, channels first", work))
    if setting.compiled:
        learner = _learner(plugins, setting, first)
        learner.backbone.compile()
        work = _stepper(setting, learner, lambda _step: kept)
        made.append(Arm(f"{first}, compiled", "synthetic tensors; backbone through torch.compile", work))
    return made


def claims(timings: Sequence[Timing], objectives: Sequence[str], device: torch.device) -> list[Claim]:
    """Data-wait shares, objectives against the first, and the chosen precision against fp32."""
    cuda, first = device.type == "cuda", objectives[0]
    found = []
    for name in objectives:
        share = 1 - ratio(timings, f"{name}, real input", f"{name}, synthetic")
        found.append(
            Claim(f"{name}: share of a step spent on data", max(share, 0.0), WAIT if cuda else None, less_is_better=True)
        )
    for name in objectives[1:]:
        cost = 1 - ratio(timings, f"{name}, synthetic", f"{first}, synthetic")
        found.append(Claim(f"{name}: slower than {first} by a share of", cost, NEAR if cuda else None, less_is_better=True))
    bar = FASTER if devices.half_precision(device) and not cuda else None
    gain = ratio(timings, f"{first}, synthetic", f"{first}, fp32 NCHW")
    return [*found, Claim(f"{first}: chosen precision over fp32 NCHW, times", gain, bar)]


def _pool(setting: Setting) -> Pool:
    """Rendered hands of the size that a run would pack, four batches of them but 64 at least."""
    count = min(max(4 * setting.batch, 64), 2048)
    side = crop_side(setting.view, 1.0)
    hands = SyntheticHands(SyntheticHands.Config(images=count, validation=1, test=1, size=side, device=setting.device.type))
    with tempfile.TemporaryDirectory() as folder:
        pool = Pool(pack(hands, "synthetic", side, Cache(Path(folder), 10**12)), setting.device)
        pool.batch(np.arange(2))  # brings the pixels into memory before the folder goes
        return pool


def _views(pool: Pool, augmentations: list[Augmentation], setting: Setting, step: int) -> Views:
    rows = np.random.default_rng(step).integers(0, len(pool), setting.batch)
    batch = pool.batch(rows)
    generator = torch.Generator(batch.images.device).manual_seed(step)
    return make_views(batch, augmentations, 2, setting.view, generator)


def _learner(plugins: Plugins, setting: Setting, objective: str) -> Learner:
    backbone = make_backbone(part(plugins, "backbone", Choice(setting.backbone)), 0)
    facts = Facts(classes=0, posed=True, images=10 * setting.batch, steps=100)
    made = make_objective(part(plugins, "objective", Choice(objective)), backbone, facts, 0)
    return Learner(backbone, made).to(setting.device).train()


def _stepper(setting: Setting, learner: Learner, views: Callable[[int], Views], full: bool = False) -> Callable[[], int]:
    """Work of some steps; `full` keeps to fp32."""
    optimiser = adam(learner, 1e-6)
    set_rate(optimiser, RATE)

    def precision() -> AbstractContextManager[None]:
        return nullcontext() if full else devices.autocast(setting.device)

    def work() -> int:
        made = 0
        devices.synchronise(setting.device)
        for step in range(setting.steps):
            seen = views(step)
            optimiser.zero_grad(set_to_none=True)
            with precision():
                loss, _ = learner(seen)
            loss.backward()
            optimiser.step()
            made += seen.images.shape[:2].numel()
        devices.synchronise(setting.device)
        return made

    return work
