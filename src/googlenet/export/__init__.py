"""Networks for other programs: ONNX graphs.

Beyond the paper: what was trained or imported here is used elsewhere.
May import `training` and all that lies below it."""
