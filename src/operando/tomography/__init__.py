"""Projections to volumes, and volumes to interfaces, contact, voids, thickness and local current density."""

from operando.core.lazy import lazy

_HOME = {
    "fourier_backproject": ["Backprojector", "backproject"],
    "fourier_lines": ["Beams"],
    "centre": ["Centre", "CentreError", "centre_by_pairs", "centre_by_focus"],
    "correct": ["Correction", "sinograms"],
    "centre_scan": ["find_centre"],
    "projections_used": ["usable"],
    "flats": ["plan_flats", "flat_field"],
    "phase": ["PhaseRetrieval", "retrieve_phase"],
    "slabs": ["ReconSettings", "plan_slabs", "reconstruct_slabs"],
    "stripes": ["remove_stripes", "ring_roughness"],
    "volume": ["check_volume", "check_series", "voxel_sizes"],
    "register": ["register_rigid", "apply_motion", "held_slab", "stack_thickness"],
    "displacement": ["Correlation", "displacement_field", "strain_field"],
    "segment": ["phase_greys", "thresholds", "label_phases"],
    "column_rule": ["ColumnRule", "column_segmentation"],
    "surfaces": ["surface_heights", "edge_blur"],
    "void_layer": ["LayerModel", "fit_void_layer"],
    "electrodes": ["electrode_thickness", "layer_voids", "map_volume"],
    "contact": ["contact_area", "contact_change", "effective_current_density"],
    "voids": ["void_objects", "void_summary", "size_distribution"],
    "amounts": ["phase_volumes", "stripping_fraction", "interphase_molar_volume"],
    "local_current": ["noise_floor", "local_current_density", "smooth_map"],
    "hot_spots": ["find_hot_spots", "false_objects"],
    "porosity": ["porosity_profile", "near_interface", "porosity_distribution"],
    "roughness": ["height_parameters", "remove_form", "local_roughness"],
    "relation": ["map_relation"],
}

__getattr__, __dir__, __all__ = lazy(__name__, _HOME)
