"""Where the stages meet: a recipe in; data → learn → measure → pose → results, and the run's record out.

No stage knows another; what passes between them passes here, one module a stage. Pre-training, probes and pose are
content-addressed: each is done once, whatever run asks for it, and an interrupted one goes on from its checkpoint.
"""

import time
from pathlib import Path

from handbench.assembly import make_backbone
from handbench.files import ensure_writable
from handbench.flow.data import prepare
from handbench.flow.job import Job, Learned, Ready, Runtime
from handbench.flow.learn import learn
from handbench.flow.measure import measure
from handbench.flow.pose import pose
from handbench.flow.results import write

__all__ = ["Job", "Learned", "Ready", "Runtime", "run"]


def run(job: Job) -> Path:
    """Do what a recipe asks for; what was done before is not done again.

    Returns:
        The run's directory.

    Raises:
        HandbenchError: anything the user can mend; finished stages and the last checkpoint stay.
        Interrupted: Ctrl-C.
    """
    started = time.perf_counter()
    ensure_writable(job.runtime.results)
    backbone = make_backbone(job.assembly.backbone, job.recipe.seed)  # first: weights that cannot be had cost no work
    ready = prepare(job)
    learned, pretraining = learn(job, ready, backbone)
    measured, probing, probed = measure(job, ready, learned)
    posed, fitting, predicted = pose(job, ready, learned)
    stages, files = (pretraining, probing, *fitting), {**probed, **predicted}
    return write(job, ready, learned, stages, (*measured, *posed), files, time.perf_counter() - started)
