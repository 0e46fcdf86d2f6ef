"""What `stn export RUN --format onnx` wrote, without the package that wrote it: python run_onnx.py MODEL.onnx IMAGE"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(sys.argv[1])
about = {name: json.loads(text) for name, text in session.get_modelmeta().custom_metadata_map.items()}
(height, width), grey = about["preprocessing"]["size"], about["preprocessing"]["channels"] == 1
image = Image.open(sys.argv[2]).convert("L" if grey else "RGB")
fitted = ImageOps.pad if about["preprocessing"]["fit"] == "letterbox" else Image.Image.resize
pixels = np.asarray(fitted(image, (width, height), Image.Resampling.BILINEAR), np.float32) / 255
images = pixels.reshape(1, height, width, -1).transpose(0, 3, 1, 2)  # (N, C, H, W)
(logits,) = session.run(None, {"images": images})
chances = np.exp(logits[0] - logits[0].max())
print(about["classes"][chances.argmax()], f"{chances.max() / chances.sum():.4f}")
