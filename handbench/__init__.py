"""handbench: which pre-training objective, backbone and augmentations give the best hand pose, with the evidence."""

__version__ = "0.1.0"
