"""Evidence goes in; its figures as files come out."""

from collections.abc import Mapping
from dataclasses import dataclass

from handbench.results.figures.gallery import gallery
from handbench.types import Evidence


class Figures:
    """The report `figures`.

    Args:
        config: empty.
    """

    @dataclass(frozen=True)
    class Config:
        """Nothing to set: the suite says what is drawn."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def render(self, evidence: Evidence) -> Mapping[str, bytes]:
        """Make "figures/NAME.pdf", ".svg" and ".png" of each figure that the records can fill."""
        return {name: content for drawing in gallery(evidence).drawings for name, content in drawing.files.items()}
