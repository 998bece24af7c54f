"""Models that explain the images: grain selection, phase field, interlayer, film electrode, symmetric cell."""

from operando.core.lazy import lazy

_HOME = {
    "symmetric_cell": ["SymmetricCell", "Interface", "overpotential", "cell_voltage", "interface_from_maps"],
    "film_electrode": ["FilmCell", "DriftDiffusion", "Columns", "Hold", "Drive", "Rest", "simulate_film"],
    "film_electrode_ocv": ["OpenCircuit", "open_circuit", "lco_open_circuit", "Diffusion"],
    "film_electrode_profiles": ["film_on_grid"],
}

__getattr__, __dir__, __all__ = lazy(__name__, _HOME)
