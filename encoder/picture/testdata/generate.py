"""Makes the pictures in pictures/ and what Pillow reads from them in expected/.

Needs Pillow and numpy (made with Pillow 13.0.0, libjpeg-turbo 3.2.0, libwebp
1.6.0; other versions may compress differently). Run it in this folder.

expected/NAME.full.png is the decoded picture, expected/NAME.64.png and
NAME.96.png the picture resized straight to that square. All are what
transformers 5.23 gives the model: upright by EXIF, transparency composited on
white as its convert_to_rgb does, RGB, Image.BICUBIC. The two passes of resizing
are asked for one by one, horizontal first: up to Pillow 12 that is what resize
does, Pillow 13 takes the vertical pass first where the height shrinks much more
than the width (its pull request 9549).
"""

import io
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).parent
PICTURES, EXPECTED = HERE / "pictures", HERE / "expected"


def scene(w, h, seed=1):
    """Gradients, saturated shapes with hard edges, thin lines, noise in one band."""
    y, x = np.mgrid[0:h, 0:w].astype(np.float64)
    rgb = np.stack([255 * x / max(w - 1, 1), 255 * y / max(h - 1, 1), 128 + 120 * np.sin((x + y) / 9)], -1)
    rgb[(x - w * 0.3) ** 2 + (y - h * 0.4) ** 2 < (min(w, h) * 0.25) ** 2] = (255, 0, 0)
    rgb[(abs(x - w * 0.7) < w * 0.12) & (abs(y - h * 0.6) < h * 0.3)] = (0, 0, 255)
    rgb[abs(x - y * 1.3) < 1.2] = (255, 255, 0)
    rgb[int(h * 0.85) :: 3] = (0, 40, 0)
    noise = np.random.default_rng(seed).integers(-9, 10, size=rgb.shape)
    noise[: int(h * 0.6)] = noise[int(h * 0.75) :] = 0
    return Image.fromarray(np.clip(rgb + noise, 0, 255).astype(np.uint8))


def saturated(w, h):
    """Checks and stripes of pure colours: the strongest chroma edges."""
    y, x = np.mgrid[0:h, 0:w]
    palette = np.array([(255, 0, 0), (0, 0, 255), (0, 255, 0), (255, 0, 255), (0, 255, 255), (0, 0, 0)], np.uint8)
    return Image.fromarray(palette[(x // 5 + (y // 7) * 2 + (x + y) // 31) % 6])


def alpha_ramp(w, h):
    y, x = np.mgrid[0:h, 0:w]
    return Image.fromarray(((x * 255 // (w - 1) + y * 3) % 256).astype(np.uint8))


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def write_png(name, a, colour, interlace=False, extra=b""):
    """PNG layouts that Pillow does not write: 16 bits a sample, Adam7."""
    h, w = a.shape[:2]
    depth = a.dtype.itemsize * 8
    a = a.astype(a.dtype.newbyteorder(">"))
    grid = [(0, 0, 1, 1)]
    if interlace:
        grid = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    raw = b""
    for x0, y0, dx, dy in grid:
        part = a[y0::dy, x0::dx]
        raw += b"".join(b"\0" + row.tobytes() for row in part if row.size)
    header = struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, int(interlace))
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")
    (PICTURES / name).write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def exif(orientation, order="<"):
    e = Image.Exif()
    e.endian = order
    e[0x010F] = "Sightline"
    e[0x0112] = orientation
    e[0x0131] = "generate.py"
    return e.tobytes()


def save(name, im, **options):
    im.save(PICTURES / name, **options)


def patch_frame(name, im, sampling, size, **options):
    """Re-labels a JPEG's luma sampling and size, keeping its count of blocks:
    4:4:0 and 4:1:1 files, which Pillow does not write. The picture is shuffled
    but valid, and decoders must agree on it."""
    buf = io.BytesIO()
    im.save(buf, "JPEG", **options)
    data = bytearray(buf.getvalue())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", size[1], size[0])
    data[at + 11] = sampling
    (PICTURES / name).write_bytes(data)


def make_png():
    rgb = scene(67, 48)
    save("rgb.png", rgb)
    save("grey.png", rgb.convert("L"))
    save("bilevel.png", rgb.convert("1"))
    save("palette.png", rgb.quantize(40))
    save("palette-trns.png", rgb.quantize(40), transparency=bytes((i * 7) % 256 for i in range(40)))
    save("rgb-trns.png", saturated(60, 50), transparency=(255, 0, 0))
    rgba = rgb.copy()
    rgba.putalpha(alpha_ramp(67, 48))
    save("rgba.png", rgba)
    la = rgb.convert("L").convert("LA")
    la.putalpha(alpha_ramp(67, 48))
    save("la.png", la)
    wide = np.asarray(scene(60, 45)).astype(np.uint16) * 256 + np.arange(60 * 45 * 3, dtype=np.uint16).reshape(45, 60, 3) % 256
    write_png("rgb16.png", wide, 2)
    write_png("grey16.png", wide[:, :, 1], 0)
    ramp = np.asarray(alpha_ramp(60, 45)).astype(np.uint16) * 257
    write_png("rgba16.png", np.dstack([wide, ramp]), 6)
    write_png("interlaced.png", np.asarray(scene(61, 43)), 2, interlace=True)
    save("exif-6.png", scene(30, 20), exif=exif(6, ">"))
    save("animated.png", scene(40, 30), save_all=True, append_images=[saturated(40, 30)])
    save("1x1.png", Image.new("RGB", (1, 1), (200, 30, 90)))
    save("3x200.png", scene(3, 200))
    save("300x2.png", scene(300, 2))


def make_jpeg():
    for name, sub in (("444", 0), ("422", 1), ("420", 2)):
        save(f"{name}.jpg", scene(88, 62), quality=90, subsampling=sub)
        save(f"{name}-odd.jpg", scene(75, 53), quality=90, subsampling=sub)
        save(f"{name}-saturated.jpg", saturated(83, 61), quality=92, subsampling=sub)
    save("420-progressive.jpg", scene(85, 57), quality=85, subsampling=2, progressive=True)
    save("grey.jpg", scene(75, 53).convert("L"), quality=90)
    save("rgb.jpg", saturated(50, 40), quality=90, keep_rgb=True)
    patch_frame("440.jpg", saturated(128, 48), 0x12, (64, 96), quality=92, subsampling=1)
    patch_frame("440-odd.jpg", scene(128, 48), 0x12, (59, 83), quality=92, subsampling=1)
    patch_frame("411.jpg", scene(64, 96), 0x41, (123, 43), quality=92, subsampling=2)
    for w, h in ((1, 1), (2, 2), (3, 3), (4, 5), (5, 4), (6, 1), (1, 7), (17, 2)):
        save(f"420-{w}x{h}.jpg", saturated(w * 3, h * 3).resize((w, h)), quality=95, subsampling=2)
        if w > 2:
            save(f"422-{w}x{h}.jpg", saturated(w * 3, h * 3).resize((w, h)), quality=95, subsampling=1)
    save("420-3x200.jpg", scene(3, 200), quality=90, subsampling=2)
    cmyk = Image.merge("CMYK", [*saturated(60, 44).split(), alpha_ramp(60, 44)])
    save("cmyk.jpg", cmyk, quality=92)
    data = bytearray((PICTURES / "cmyk.jpg").read_bytes())
    data[data.index(b"Adobe") + 11] = 2  # the same samples, read as YCCK
    (PICTURES / "ycck.jpg").write_bytes(data)
    for o in range(1, 9):
        save(f"exif-{o}.jpg", scene(29, 18), quality=92, subsampling=0, exif=exif(o, "<>"[o % 2]))


def make_webp():
    save("lossy.webp", scene(88, 62), quality=90)
    save("lossy-odd.webp", scene(75, 53), quality=90)
    save("lossy-saturated.webp", saturated(83, 61), quality=95)
    for w, h in ((1, 1), (2, 3), (5, 2)):
        save(f"lossy-{w}x{h}.webp", saturated(w * 3, h * 3).resize((w, h)), quality=95)
    save("lossless.webp", scene(61, 43), lossless=True)
    rgba = scene(75, 53)
    rgba.putalpha(alpha_ramp(75, 53))
    save("lossy-alpha.webp", rgba, quality=90)
    save("lossless-alpha.webp", rgba, lossless=True, exact=True)
    save("exif-8.webp", scene(30, 20), lossless=True, exif=exif(8))


def corpus(target, name, data):
    folder = HERE / "fuzz" / target
    folder.mkdir(parents=True, exist_ok=True)
    quoted = "".join(f"\\x{b:02x}" for b in data)
    (folder / name).write_text(f'go test fuzz v1\n[]byte("{quoted}")\n')


def patched(data, at, new):
    return data[:at] + new + data[at + len(new) :]


def riff(body):
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def make_corpus():
    """Small broken and odd files for the fuzz targets to start from."""
    jpeg = (PICTURES / "420-3x3.jpg").read_bytes()
    frame, scan = jpeg.index(b"\xff\xc0"), jpeg.index(b"\xff\xda")
    corpus("FuzzDecode", "jpeg-cut-in-scan", jpeg[: scan + 16])
    corpus("FuzzDecode", "jpeg-no-scan", jpeg[:scan] + b"\xff\xd9")
    corpus("FuzzDecode", "jpeg-two-frames", jpeg[:frame] + jpeg[frame:scan] + jpeg[frame:])
    corpus("FuzzDecode", "jpeg-large-frame", patched(jpeg, frame + 5, b"\x02\x00\x01\x00"))
    corpus("FuzzDecode", "jpeg-no-size", patched(jpeg, frame + 5, b"\0\0\0\0"))
    corpus("FuzzDecode", "jpeg-410", patched(jpeg, frame + 11, b"\x42"))
    corpus("FuzzDecode", "jpeg-sampling-3", patched(jpeg, frame + 11, b"\x31"))
    corpus("FuzzDecode", "jpeg-many-scans", jpeg[:-2] + b"\xff\xda" * 120 + b"\xff\xd9")
    loop = b"\xff\xe1\x00\x22Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12\0\x03\0\0\0\x01\0\x09\0\0\0\0\0\x08"
    corpus("FuzzDecode", "jpeg-exif-loop", jpeg[:2] + loop + jpeg[2:])
    small = np.zeros((3, 3, 3), np.uint8)
    write_png("tiny.png", small, 2)
    png = (PICTURES / "tiny.png").read_bytes()
    write_png("tiny.png", small[:, :, 0] + 7, 3, extra=chunk(b"PLTE", b"\1\2\3"))
    corpus("FuzzDecode", "png-index-past-palette", (PICTURES / "tiny.png").read_bytes())
    (PICTURES / "tiny.png").unlink()
    corpus("FuzzDecode", "png-cut", png[:-20])
    corpus("FuzzDecode", "png-bad-sum", patched(png, 30, b"\0"))
    header = struct.pack(">IIBBBBB", 30000, 30000, 8, 6, 0, 0, 0)
    corpus("FuzzDecode", "png-huge", png[:8] + chunk(b"IHDR", header) + png[33:])
    corpus("FuzzDecode", "png-exif-cut", png[:33] + chunk(b"eXIf", b"II*\0\x08\0\0\0\x05\0\x12\x01") + png[33:])
    lossy = (PICTURES / "lossy-5x2.webp").read_bytes()
    picture = lossy[12:]
    extended = b"VP8X" + struct.pack("<I", 10) + bytes([0x10, 0, 0, 0, 4, 0, 0, 1, 0, 0])
    corpus("FuzzDecode", "webp-no-alpha-chunk", riff(extended + picture))
    alpha = b"ALPH" + struct.pack("<I", 11) + b"\x04" + bytes(range(10)) + b"\0"
    corpus("FuzzDecode", "webp-alpha", riff(extended + alpha + picture))
    corpus("FuzzDecode", "webp-two-canvases", riff(extended * 2 + picture))
    corpus("FuzzDecode", "webp-other-canvas", riff(patched(extended, 12, b"\xff\x3f\0") + picture))
    corpus("FuzzDecode", "webp-cut", lossy[:-9])
    corpus("FuzzDecode", "webp-chunk-past-end", patched(lossy, 16, b"\xff\xff\xff\xff"))
    corpus("FuzzSniff", "ftyp-short", b"\0\0\0\x04ftypavif")
    corpus("FuzzSniff", "ftyp-long", b"\xff\xff\xff\xffftypheic")
    corpus("FuzzSniff", "svg-after-comment", b"<!-- " + b"x" * 40 + b" --><svg/>")
    corpus("FuzzSniff", "rune-cut", b"a" * 1022 + b"\xf0\x9f\x98\x80")
    corpus("FuzzSniff", "bmp-text", b"BM is how this text starts")


def read(path):
    im = Image.open(path)
    if im.mode == "I;16":  # Pillow would clip at 255; the high byte is meant
        return Image.fromarray((np.asarray(im) >> 8).astype(np.uint8)).convert("RGB")
    im = ImageOps.exif_transpose(im)
    if "A" in im.getbands() or im.info.get("transparency") is not None:
        im = im.convert("RGBA")
        im = Image.alpha_composite(Image.new("RGBA", im.size, (255, 255, 255, 255)), im)
    return im.convert("RGB")


def wanted(name, im):
    """The squares to resize to; pictures that differ in decoding only need none."""
    if name in ("420.jpg", "3x200.png", "300x2.png"):
        return [64, 96]
    if name in (
        "1x1.png", "rgb.png", "rgba.png", "palette-trns.png", "grey16.png", "420-3x3.jpg", "420-3x200.jpg", "444.jpg",
        "420-saturated.jpg", "420-progressive.jpg", "422-saturated.jpg", "440.jpg", "cmyk.jpg", "lossy.webp",
        "lossy-alpha.webp",
    ):  # fmt: skip
        return [64]
    return []


def main():
    for folder in (PICTURES, EXPECTED):
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
    make_png()
    make_jpeg()
    make_webp()
    make_corpus()
    for path in sorted(PICTURES.iterdir()):
        im = read(path)
        im.save(EXPECTED / f"{path.name}.full.png", optimize=True)
        for size in wanted(path.name, im):
            small = im.resize((size, im.height), Image.BICUBIC).resize((size, size), Image.BICUBIC)
            small.save(EXPECTED / f"{path.name}.{size}.png", optimize=True)
    # Refused, so nothing is expected of it.
    scene(20, 20).save(HERE / "animated.webp", save_all=True, append_images=[saturated(20, 20)])


if __name__ == "__main__":
    main()
