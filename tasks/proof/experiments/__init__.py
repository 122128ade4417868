"""The experiments, one module each: `run(lab, models)` scores arms; `models` holds the models from which later ones start."""
