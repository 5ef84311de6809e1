"""All that is drawn of a patient before there is a grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .body import Body, draw_body
from .disease import Changes, Disease, draw_disease, place_changes
from .lung_trees import LungTree, grow_lung_tree
from .parenchyma import Parenchyma, draw_parenchyma
from .shapes import Point
from .thorax import LEFT, RIGHT, Thorax, build_thorax


@dataclass(frozen=True)
class Anatomy:
    """One patient. Offers what nodules need to find their place (`LungPlaces`)."""

    thorax: Thorax
    parenchyma: Parenchyma
    disease: Disease
    changes: Changes
    trees: dict[float, LungTree]  # of the lungs that are there

    @property
    def body(self) -> Body:
        return self.thorax.body

    @property
    def sides(self) -> tuple[float, ...]:
        """The lungs that are there."""
        return tuple(self.trees)

    @cached_property
    def lung_box_mm(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest corner (x, y, z) of the box that holds both lungs, whether they are there or not."""
        lungs = self.thorax.lungs
        inside = np.argwhere(lungs.values < 0)
        z, y, x = lungs.node_mm
        low, high = inside.min(axis=0) - 1, np.minimum(inside.max(axis=0) + 1, np.array(lungs.values.shape) - 1)
        return np.array([x[low[2]], y[low[1]], z[low[0]]]), np.array([x[high[2]], y[high[1]], z[high[0]]])

    @property
    def low_lps_mm(self) -> Point:
        x, y, z = self.lung_box_mm[0].tolist()
        return x, y, z

    @property
    def high_lps_mm(self) -> Point:
        x, y, z = self.lung_box_mm[1].tolist()
        return x, y, z

    @cached_property
    def vessels(self) -> np.ndarray:
        """(M, 4) x, y, z, radius in mm of the vessels within the lungs that are there, without the finest."""
        found = [np.empty((0, 4))]
        for tree in self.trees.values():
            strands = tree.vessels
            middle = (strands.start + strands.end) / 2
            points = np.column_stack([middle, (strands.start_radius + strands.end_radius) / 2])
            found.append(points[self.depth_mm(middle) > 0])
        return np.vstack(found)

    @cached_property
    def bronchi(self) -> np.ndarray:
        """(M, 4) the same of the main and lobar bronchi."""
        return np.vstack([np.empty((0, 4)), *(tree.bronchus_points for tree in self.trees.values())])

    def depth_mm(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) to the way to the pleura, negative outside the lungs that are there, (N,)."""
        depth = -self.thorax.lungs.at(points).astype(float)
        side = self.thorax.side.at(points)
        for absent in {LEFT, RIGHT} - set(self.trees):
            depth = np.where(side * absent > 0, -100.0, depth)
        return depth

    def upper(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) to whether each lies in an upper lobe, (N,) bool."""
        above = self.thorax.oblique.at(points) > 0
        on_the_left = self.thorax.side.at(points) > 0
        return above & (on_the_left | (self.thorax.horizontal.at(points) > 0))

    def record(self) -> dict[str, Any]:
        """Everything drawn, for JSON."""
        tissue = {k: v for k, v in vars(self.parenchyma).items() if k != "tile"}
        return {
            "body": self.body.record(),
            "lung_tissue": tissue,
            "disease": self.disease.record(),
            "emphysema": self.disease.emphysema > 0,
            "female": self.body.female,
        }


def draw_anatomy(rng: np.random.Generator, *, left_lung: bool, right_lung: bool, sprigs: bool) -> Anatomy:
    """Draw a patient; without `sprigs` (the finest vessels) all else is the same."""
    body_rng, tissue_rng, disease_rng, change_rng, left_rng, right_rng = rng.spawn(6)
    thorax = build_thorax(draw_body(body_rng))
    disease = draw_disease(disease_rng)
    sides = ((LEFT, left_lung, left_rng), (RIGHT, right_lung, right_rng))
    return Anatomy(
        thorax,
        draw_parenchyma(tissue_rng, emphysema=disease.emphysema > 0),
        disease,
        place_changes(change_rng, disease, thorax),
        {side: grow_lung_tree(own, thorax, side, sprigs=sprigs) for side, there, own in sides if there},
    )
