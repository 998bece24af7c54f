"""Energy-resolved Compton images: energy scale, electron momentum, components, lithium content."""

from operando.core.lazy import lazy

_HOME = {
    "kinematics": [
        "compton_energy", "electron_momentum", "energy_per_degree", "klein_nishina", "momentum_slope",
        "scattered_energy", "scattering_angle", "scattering_weight",
    ],
    "theory": ["atomic_profile", "attenuation", "composition", "efficiency", "electron_density", "electrons"],
    "geometry": ["Pinhole", "refine_pinhole"],
    "lines": ["LineGroup", "LineRegion", "detector_regions", "line_group", "name_lines"],
    "energy": ["EnergyCheck", "calibrate_energy", "find_lines", "fit_scale", "nominal_calibration"],
    "drift": ["angle_drift", "peak_centre", "peak_energies", "scale_drift"],
    "profile": [
        "Momenta", "compton_profile", "energy_spectrum", "momentum_counts", "momentum_resolution", "response",
        "template",
    ],
    "spectrum": ["bad_pixels", "find_scattering", "find_spectrum_peaks"],
    "separate": [
        "VolumeFractions", "fractions_from_shares", "separate_components", "sum_blocks", "sum_pixels",
    ],
    "ratio": ["Windows", "momentum_ratio", "optimise_windows", "window_significance"],
    "components": ["fit_components"],
    "lithium": [
        "MomentumCalibration", "Reference", "compare_rates", "lithium_content", "momentum_calibration",
        "significant_difference", "theoretical_curvature",
    ],
    "absorption": [
        "Material", "Tomogram", "beam_transmission", "cathode_transmission", "exit_transmission", "sheet_shares",
        "through_pinhole",
    ],
    "multiple": ["double_scattering", "flat_background", "multiple_background"],
    "register": ["Registration", "register_image"],
    "sharing": ["share_events"],
    "planning": ["Plan", "error_map", "expected_counts", "expected_error", "exposure_for"],
    "imaging": ["Imaging", "momenta_of_states"],
    "states": ["LithiumResult", "lithium_of_states"],
}  # fmt: skip
__getattr__, __dir__, __all__ = lazy(__name__, _HOME)
