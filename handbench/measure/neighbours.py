"""Nearest neighbours in feature space: features and labels in; k-NN votes, two-view retrieval and retrieval by pose out."""

from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from jaxtyping import Float, Int
from torch import Tensor

from handbench.types import WRIST

QUERIES = 256  # hands compared with all others at a time


def knn_predict(
    train: Float[Tensor, "train width"],
    classes: Int[Tensor, "train"],
    test: Float[Tensor, "test width"],
    neighbours: int,
    temperature: float = 0.07,
) -> Int[Tensor, "test"]:
    """Vote among the k training features of highest cosine, each vote weighted by exp(cosine / temperature).

    Args:
        train, test: features of any scale.
        classes: from 0.
        neighbours: k; all training features when there are fewer.
        temperature: of the weights.

    Source:
        Wu et al., CVPR 2018, arXiv:1805.01978.
    """
    cosine = functional.normalize(test, dim=1) @ functional.normalize(train, dim=1).T
    near, index = cosine.topk(min(neighbours, len(train)), dim=1)
    votes = torch.zeros(len(test), int(classes.max()) + 1)
    votes.scatter_add_(1, classes[index], ((near - near[:, :1]) / temperature).exp())
    return votes.argmax(1)


def retrieval_hits(first: Float[Tensor, "rows width"], second: Float[Tensor, "rows width"]) -> Float[Tensor, "rows"]:
    """1 where a view's nearest neighbour among all second views (by cosine) shows the same image, else 0."""
    cosine = functional.normalize(first, dim=1) @ functional.normalize(second, dim=1).T
    return (cosine.argmax(1) == torch.arange(len(first))).float()


@dataclass(frozen=True)
class Neighbours:
    """Mean joint distance in mm from each hand to others; NaN where there is no other.

    Args:
        nearest: to the hand whose features have the highest cosine.
        average: to all others: what choosing at random is expected to give.
        closest: to the hand nearest in pose: the least that any choice can give.
    """

    nearest: Float[Tensor, "rows"]
    average: Float[Tensor, "rows"]
    closest: Float[Tensor, "rows"]


def retrieve_poses(
    features: Float[Tensor, "rows width"], joints_3d: Float[Tensor, "rows 21 3"], sources: Int[Tensor, "rows"]
) -> Neighbours:
    """Look up each hand's nearest neighbour in feature space and say how far its pose is.

    The distance of two hands is the mean over the joints, each hand relative to its own wrist, in the camera frame: it counts
    the hand's orientation and size as well as the bend of its fingers.

    Args:
        features: of any scale.
        joints_3d: metres, finite.
        sources: hands of the same source (one photograph in several versions) are not each other's neighbours.
    """
    hands = 1000.0 * (joints_3d - joints_3d[:, WRIST : WRIST + 1]).double()
    unit = functional.normalize(features, dim=1)
    parts = []
    for rows in torch.arange(len(features)).split(QUERIES):
        other = sources[rows, None] != sources[None]
        apart = torch.stack([torch.cdist(hands[rows, joint], hands[:, joint]) for joint in range(hands.shape[1])]).mean(0)
        index = (unit[rows] @ unit.T).masked_fill(~other, -torch.inf).argmax(1, keepdim=True)
        found = apart.gather(1, index)[:, 0].where(other.any(1), torch.nan)
        closest = apart.masked_fill(~other, torch.inf).amin(1).where(other.any(1), torch.nan)
        parts.append((found, apart.where(other, 0.0).sum(1) / other.sum(1), closest))
    return Neighbours(*(torch.cat(column).float() for column in zip(*parts, strict=True)))
