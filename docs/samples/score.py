"""Score pictures with the graph of an inspector: `python score.py widget.inspector a.png b.png`.

It needs `pip install onnxruntime pillow`.
"""

import json
import os
import sys
import zipfile

import numpy as np
from PIL import Image

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # or ONNX Runtime reports to its maker
import onnxruntime

inspector, *pictures = sys.argv[1:]
with zipfile.ZipFile(inspector) as file:
    manifest = json.loads(file.read("manifest.json"))
    if manifest.get("alignment"):
        sys.exit(
            "this inspector aligns parts, which its graph does not do: use knowngood, or align them before"
        )
    threshold = manifest["threshold"]["value"]
    session = onnxruntime.InferenceSession(file.read("model.onnx"), providers=["CPUExecutionProvider"])

for picture in pictures:
    pixels = np.asarray(Image.open(picture).convert("RGB"))  # (height, width, 3), of any size
    [score] = session.run(["score"], {"pictures": pixels[None]})[0]
    print(f"{picture} {score:.6f} {'reject' if score > threshold else 'accept'}")
