"""Models that explain the images: grain selection, phase field, interlayer, film electrode, symmetric cell."""

from operando.core.lazy import lazy

_HOME = {
    "symmetric_cell": ["SymmetricCell", "Interface", "overpotential", "cell_voltage"],
    "symmetric_faces": ["interface_from_maps"],
    "inverse": ["fit_parameters"],
    "inverse_parameters": ["Parameter", "Measured"],
    "inverse_settle": ["Candidate", "what_would_settle"],
    "inverse_cells": ["film_predictor", "symmetric_predictor", "fit_symmetric_maps"],
    "compare": ["compare_profiles", "compare_series", "contact_scenarios", "mean_profiles"],
    "conventions": ["areal_current", "c_rate"],
    "film_electrode": ["simulate_film"],
    "film_electrode_cell": ["FilmCell", "DriftDiffusion", "Columns", "Hold", "Drive", "Rest", "Follow"],
    "film_electrode_ocv": ["OpenCircuit", "open_circuit", "lco_open_circuit", "Diffusion"],
    "film_electrode_profiles": ["film_on_grid"],
    "grain_selection": [
        "Balance", "energy_difference", "grain_energies", "temperature_scan", "phase_map", "surface_at_pressure",
    ],
    "grain_selection_materials": ["Metal", "material"],
    "grain_selection_errors": ["crossover_temperature", "conclusion", "one_at_a_time", "sobol_indices"],
    "phase_field": [],
    "interlayer": [
        "Amorphous", "bulk_modulus", "mismatch_strain", "texture", "design_window", "lithiated_seed",
        "lithium_in_silicon",
    ],
}  # fmt: skip

__getattr__, __dir__, __all__ = lazy(__name__, _HOME)
