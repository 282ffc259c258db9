"""The nine pictures of the parity fixtures, and the pixels that transformers makes of them."""

import numpy as np
from PIL import Image, ImageOps
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil


def waves(width, height, seed):
    """A colourful [height, width, 3] field: smooth waves, hard edges and a little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    channels = []
    for _ in range(3):
        fx, fy, phase = rng.uniform(0.02, 0.25), rng.uniform(0.02, 0.25), rng.uniform(0, 6)
        edge = 50 * np.sign(np.sin(x * fy * 0.6 + y * fx * 0.4 + phase))
        channels.append(127 + 70 * np.sin(x * fx + y * fy + phase) + edge + rng.normal(0, 5, x.shape))
    return np.clip(np.stack(channels, -1), 0, 255).astype(np.uint8)


def blocks(width, height):
    """Fully saturated colours side by side: the worst case of 4:2:0 chroma."""
    colours = np.array([[255, 0, 0], [0, 0, 255], [0, 255, 0], [255, 0, 255], [255, 255, 0], [0, 255, 255]], np.uint8)
    y, x = np.mgrid[0:height, 0:width]
    return colours[(x // 7 + 2 * (y // 11)) % 6]


def rgba():
    pixels = waves(120, 90, 2)
    alpha = np.linspace(0, 255, 120).astype(np.uint8)[None, :].repeat(90, 0)
    return Image.fromarray(np.dstack([pixels, alpha]), "RGBA")


def palette():
    image = Image.fromarray(waves(100, 80, 4)).quantize(16)
    return image, bytes([0, 64, 128, 192] + [255] * 12)


def write_all(folder):
    """Writes every picture that is missing. Existing ones stay: their bytes depend on the encoder's version."""
    folder.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    indexed, transparency = palette()
    todo = {
        "rgb.png": (Image.fromarray(waves(160, 120, 1)), {}),
        "rgba.png": (rgba(), {}),
        "grey.png": (Image.fromarray(waves(90, 130, 3)[..., 0]), {}),
        "palette.png": (indexed, {"transparency": transparency}),
        "exif6.jpg": (Image.fromarray(waves(150, 100, 5)), {"quality": 92, "subsampling": 0, "exif": exif}),
        "saturated420.jpg": (Image.fromarray(blocks(133, 101)), {"quality": 80, "subsampling": 2}),
        "odd.png": (Image.fromarray(waves(37, 91, 6)), {}),
        "tiny.png": (Image.fromarray(waves(3, 2, 7)), {}),
        "tall.png": (Image.fromarray(waves(20, 400, 8)), {}),
        "lossy.webp": (Image.fromarray(waves(140, 110, 9)), {"quality": 80}),
    }
    for name, (image, options) in todo.items():
        if not (folder / name).exists():
            image.save(folder / name, **options)
    return list(todo)


def composite(image):
    """The picture upright and opaque: EXIF applied, transparency on white, RGB."""
    image = ImageOps.exif_transpose(image)
    if "A" not in image.getbands() and image.info.get("transparency") is None:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image).convert("RGB")


def pixels(path, size, png):
    """Writes what transformers' processor sees after its resize to png; returns its own pixel_values [1,3,S,S]."""
    image = ImageOps.exif_transpose(Image.open(path))
    processor = BlipImageProcessorPil(size={"height": size, "width": size})
    raw = {"do_rescale": False, "do_normalize": False, "return_tensors": "np"}
    seen = processor(image, **raw).pixel_values[0]
    ours = processor(composite(Image.open(path)), **raw).pixel_values[0]
    assert seen.dtype == np.uint8 and np.array_equal(seen, ours), f"{path}: compositing differs from the processor's"
    png.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(seen.transpose(1, 2, 0))).save(png, optimize=True)
    values = processor(image, return_tensors="pt").pixel_values
    check(png, processor, values.numpy()[0])
    return values


def check(png, processor, values):
    """Normalising the stored PNG must give the processor's own values."""
    rgb = np.asarray(Image.open(png)).astype(np.float64) / 255
    normal = (rgb - np.array(processor.image_mean)) / np.array(processor.image_std)
    worst = np.abs(normal.transpose(2, 0, 1) - values).max()
    assert worst < 1e-6, f"{png}: {worst}"
