"""Where the stages meet: a recipe in; data → learn → measure → pose → results, and the run's record out.

No stage knows another; what passes between them passes here, one module a stage. Pre-training, probes and pose are
content-addressed: each is done once, whatever run asks for it, and an interrupted one goes on from its checkpoint.
"""

import time
from pathlib import Path

from handbench.assembly import make_backbone
from handbench.files import ensure_writable
from handbench.flow.data import prepare
from handbench.flow.evaluation import evaluate, prepare_other
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
    other = prepare_other(job, ready)
    learned, pretraining = learn(job, ready, backbone)
    job.runtime.note(pretraining)
    measured, probing, probed = measure(job, ready, learned)
    posed = pose(job, ready, learned)
    crossed = evaluate(job, ready, other, learned)
    stages = (pretraining, probing, *posed.stages, *crossed.stages)
    files = {**probed, **(posed.files or {}), **(crossed.files or {})}
    scores, seconds = (*measured, *posed.scores, *crossed.scores), time.perf_counter() - started
    return write(job, ready, learned, stages, scores, files, seconds, (*posed.notes, *crossed.notes))
