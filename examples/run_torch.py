"""What `stn export RUN --format torch` wrote, without the package that wrote it: python run_torch.py MODEL.pt2 IMAGE"""

import json
import sys

import torch
from PIL import Image, ImageOps

about = {"stn.json": ""}  # filled when the file is read
network = torch.export.load(sys.argv[1], extra_files=about).module()
about = json.loads(about["stn.json"])
(height, width), grey = about["preprocessing"]["size"], about["preprocessing"]["channels"] == 1
image = Image.open(sys.argv[2]).convert("L" if grey else "RGB")
fitted = ImageOps.pad if about["preprocessing"]["fit"] == "letterbox" else Image.Image.resize
pixels = torch.tensor(list(fitted(image, (width, height), Image.Resampling.BILINEAR).tobytes())) / 255
images = pixels.view(1, height, width, -1).movedim(3, 1).contiguous()  # (N, C, H, W)
chances = network(images)[0].softmax(dim=0)
print(about["classes"][chances.argmax()], f"{chances.max():.4f}")
