"""Nearest neighbours in feature space: features and labels in; k-NN accuracy and two-view retrieval out."""

import torch
import torch.nn.functional as functional
from jaxtyping import Float, Int
from torch import Tensor


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
