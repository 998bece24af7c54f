"""Voxel structures to effective conductivity, tortuosity, stiffness and constriction."""

from operando.core.lazy import lazy

_HOME = {
    "conductivity": ["effective_conductivity", "effective_conductivities"],
    "tortuosity": ["tortuosity_factor", "tortuosity_map"],
    "fields": ["potential_field", "hot_spot_field", "flux_ratio"],
    "stiffness": ["effective_stiffness", "isotropic_stiffness"],
    "bounds": ["conductivity_bounds", "modulus_bounds"],
    "domains": ["polycrystal", "pore_size"],
    "factors": ["microstructure_factors", "compare_with_synthetic", "synthetic_pair", "compare_pairs"],
    "constriction": ["Slab", "contact_current", "constriction_series"],
}

__getattr__, __dir__, __all__ = lazy(__name__, _HOME)
