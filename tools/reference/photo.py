"""Makes tests/data/photo.{png,jpg} and photo.safetensors: an image, and what torchvision makes of it for a classifier of 32 x 32 pixels."""

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torchvision.transforms import v2

y, x = np.mgrid[0:40, 0:60].astype(np.float64)
channels = [128 + 100 * np.sin(x / 7) * np.cos(y / 5), 2 * x + 3 * y % 97, 255 * ((x - 30) ** 2 + (y - 20) ** 2 < 150)]
image = Image.fromarray(np.clip(np.stack(channels, -1), 0, 255).astype(np.uint8))
image.save("tests/data/photo.png", optimize=True)
image.save("tests/data/photo.jpg", quality=90)
image.convert("L").save("tests/data/photo_gray.png", optimize=True)

normalise = v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
steps = [v2.ToImage(), v2.Resize(37, antialias=True), v2.CenterCrop(32), v2.ToDtype(torch.float32, scale=True), normalise]
arrays = {name: v2.Compose(steps)(Image.open(f"tests/data/photo.{name}").convert("RGB"))[None] for name in ["png", "jpg"]}
arrays["bytes"] = v2.Compose(steps[:3])(Image.open("tests/data/photo.png")).permute(1, 2, 0)[None].contiguous()
arrays["gray"] = v2.Compose([v2.ToImage(), v2.Resize([32, 48], antialias=True), v2.ToDtype(torch.float32, scale=True)])(Image.open("tests/data/photo_gray.png"))[None]
save_file({name: torch.as_tensor(array).contiguous().clone() for name, array in arrays.items()}, "tests/data/photo.safetensors")
