"""Learned segmentation: a forest on painted pixels, U-Nets, calibrated probabilities, errors of what is measured.

Example::

    painted = paint_strokes([Stroke("void", ((4, 20, 31), (4, 20, 40))), ...], volume)
    forest = train_forest(volume, painted)
    probabilities = forest.probabilities(volume)
    where = suggest_strokes(probabilities)               # paint there next
    labels = most_likely(probabilities)
    held = confusion_matrix(labels_held, truth_held)     # on voxels that were not trained on
    volumes = corrected_volumes(labels, held, rng=rng)   # value, corrected value, error
"""

from operando.core.lazy import lazy

_HOME = {
    "painting": ["Stroke", "paint_strokes", "training_labels"],
    "features": ["FeatureSettings", "pixel_features"],
    "forest": ["PixelForest", "train_forest", "load_forest"],
    "suggestions": ["suggest_strokes"],
    "probability": [
        "most_likely",
        "reliability",
        "fit_temperature",
        "apply_temperature",
        "Calibration",
        "fit_calibration",
    ],
    "network": ["UNetSettings", "UNet", "load_unet"],
    "augmentation": ["Augmentation"],
    "train_settings": ["TrainSettings"],
    "training": ["train_unet"],
    "prediction": ["predict_slices", "predict_volume"],
    "confusion": ["confusion_matrix"],
    "corrected": ["corrected_volumes", "corrected_counts", "corrected_share", "corrected_measure"],
    "draws": ["residual_correlation", "draw_labels", "measure_by_draws"],
}

__getattr__, __dir__, __all__ = lazy(__name__, _HOME)
