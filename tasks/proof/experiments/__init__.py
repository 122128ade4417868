"""The experiments, one module each: `run(lab, models)` scores arms; `models` holds what later ones start from."""
