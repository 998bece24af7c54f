"""Rings to numbers: peaks, lattice parameters, phases, fronts, texture, Li content, layers, grains.

Names are imported on first use, because the kernels behind them take a second to load.
"""

from __future__ import annotations

from operando.core.lazy import lazy

_HOME = {
    "peaks": ["fit_peaks"],
    "phases": ["fit_two_peaks"],
    "shares": ["complete_fractions"],
    "rings": ["Family", "azimuth_profile", "component_map", "coverage", "family_profile", "ring_window"],
    "calibrate": [
        "Distance",
        "OrientationCheck",
        "azimuth_flatness",
        "check_orientation",
        "distance_from_standard",
    ],
    "refine": ["Refined", "refine_geometry"],
    "front": ["fit_front"],
    "front_motion": ["front_speed"],
    "sampling": ["RingPixels", "peak_sampling"],
    "lattice": ["d_spacing", "lattice_from_pair", "lattice_parameter"],
    "layers": ["bending", "displacement", "layer_position", "plated_thickness"],
    "lithium": ["LICOO2_FILM", "Anchor", "Calibration", "calibration_from_charge", "continued"],
    "texture": ["family_ratio", "free_azimuths", "overlapping", "pair_families", "plane_angle"],
    "spots": ["find_ring_spots"],
    "grains": ["GrainSearch", "find_grains"],
    "ring_sums": ["sum_maps"],
    "tracks": ["TrackSearch", "azimuth_map", "link_grains", "track_table"],
    "grain_counts": ["count_grains"],
    "detection": ["Efficiency", "detection_limit", "false_rate"],
    "epitaxy": ["Relation", "misfits", "predicted_azimuths"],
    "circular": ["azimuth_tests", "circular_mean", "kuiper", "prediction_test", "rayleigh"],
    "strain": ["principal_strains", "ring_strain", "strain_rate"],
}
__getattr__, __dir__, __all__ = lazy(__name__, _HOME)
