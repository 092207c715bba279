"""Displays and explanations: what an estimator has learned and why it decides so."""

from __future__ import annotations

from skrnn.inspection.attribution import explain
from skrnn.inspection.embedding_map import EmbeddingMapDisplay
from skrnn.inspection.explanation import Explanation
from skrnn.inspection.training_curve import TrainingCurveDisplay
from skrnn.inspection.words import nearest_words

__all__ = [
    "EmbeddingMapDisplay",
    "Explanation",
    "TrainingCurveDisplay",
    "explain",
    "nearest_words",
]
