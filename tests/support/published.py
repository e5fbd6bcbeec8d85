"""Small archives laid out as those of public data sets."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile

import numpy as np
from PIL import Image

RNG = np.random.default_rng(0)


def picture(suffix: str = "png", marked: bool | None = None) -> bytes:
    """A photograph; or a mask, which marks something or nothing."""
    pixels = RNG.integers(0, 256, (24, 24, 3), dtype=np.uint8)
    if marked is not None:
        pixels = np.zeros((24, 24), np.uint8)
        pixels[8:12, 8:12] = 255 * marked
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, {"jpg": "jpeg"}.get(suffix, suffix))
    return file.getvalue()


def tarred(files: dict[str, bytes], mode: str = "w:xz") -> bytes:
    """A tar archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def folders(product: str, good: str, defects: dict[str, int], mask: str, suffix: str = "png", **more: int):
    """The folders of MVTec AD and what is like them; `mask` is the name of a mask of a type and a stem."""
    counts = {f"train/{good}": 6, f"test/{good}": 3, **{f"test/{name}": n for name, n in defects.items()}}
    counts |= {name.replace("__", "/"): count for name, count in more.items()}
    files = {
        f"{product}/{folder}/{number:03}.{suffix}": picture(suffix)
        for folder, count in counts.items()
        for number in range(count)
    }
    for name, count in defects.items():
        for number in range(count):
            masks = mask.format(name=name, stem=f"{number:03}")
            files[f"{product}/{masks}"] = picture(masks.rpartition(".")[2], True)
    return files


def mvtec_ad() -> bytes:
    mask = "ground_truth/{name}/{stem}_mask.png"
    text = {"bottle/license.txt": b"CC BY-NC-SA 4.0"}
    return tarred(folders("bottle", "good", {"broken": 2, "contamination": 2}, mask) | text)


def mvtec_ad_whole() -> bytes:
    mask = "ground_truth/{name}/{stem}_mask.png"
    products = ("bottle", "cable", "screw")
    return tarred({k: v for one in products for k, v in folders(one, "good", {"bent": 2}, mask).items()})


def mvtec_loco() -> bytes:
    mask = "ground_truth/{name}/{stem}/000.png"
    config = json.dumps(
        [{"defect_name": "x", "pixel_value": 255, "saturation_threshold": 1, "relative_saturation": True}]
    )
    files = folders("pushpins", "good", {"logical_anomalies": 2}, mask, validation__good=2)
    return tarred(files | {"pushpins/defects_config.json": config.encode()})


def mvtec_ad_2() -> bytes:
    files = {}
    for folder, count in {
        "train/good": 6,
        "validation/good": 2,
        "test_public/good": 3,
        "test_public/bad": 2,
    }.items():
        files |= {f"can/{folder}/{n:03}_regular.png": picture() for n in range(count)}
    for n in range(2):
        files[f"can/test_public/ground_truth/bad/{n:03}_regular_mask.png"] = picture(marked=True)
        files[f"can/test_private/{n:03}_regular.png"] = picture()
        files[f"can/test_private_mixed/{n:03}_mixed.png"] = picture()
    return tarred(files, "w:gz")


def visa() -> bytes:
    files, rows = {"LICENSE-DATASET": b"CC BY 4.0"}, ["object,split,label,image,mask"]
    for product in ("candle", "pcb1"):
        for number in range(9):
            image = f"{product}/Data/Images/Normal/{number:04}.JPG"
            files[image] = picture("jpg")
            rows.append(f"{product},{'train' if number < 6 else 'test'},normal,{image},")
        for number in range(2):
            image, mask = (f"{product}/Data/{kind}/Anomaly/{number:03}" for kind in ("Images", "Masks"))
            files |= {f"{image}.JPG": picture("jpg"), f"{mask}.png": picture(marked=True)}
            rows.append(f"{product},test,anomaly,{image}.JPG,{mask}.png")
        files[f"{product}/image_anno.csv"] = b"image,label,mask\n"
    return tarred(files | {"split_csv/1cls.csv": "\n".join(rows).encode()}, "w:")


def btad() -> bytes:
    files = {}
    for product in ("01", "02"):
        top = f"BTech_Dataset_transformed/{product}"
        files |= folders(top, "ok", {"ko": 2}, "ground_truth/{name}/{stem}.bmp", "bmp")
    return zipped(files | {"__MACOSX/01/._x.bmp": b"?"})


def autovi() -> bytes:
    return zipped(folders("pipe_clip", "good", {"unclipped": 2}, "ground_truth/{name}/{stem}/0000.png"))


def kolektor_sdd() -> bytes:
    files = {}
    for part in range(4):
        for number in range(4):
            name = f"kos{part + 1:02}/Part{number}"
            files |= {f"{name}.jpg": picture("jpg"), f"{name}_label.bmp": picture("bmp", number == 2)}
    return zipped(files)


def kolektor_sdd2() -> bytes:
    files = {"split_weakly_0.pyb": b"\x80\x03."}
    for split, first in (("train", 10000), ("test", 20000)):
        for number in range(first, first + 6):
            files |= {
                f"{split}/{number}.png": picture(),
                f"{split}/{number}_GT.png": picture(marked=number % 3 == 0),
            }
    for ending, marked in (("", None), ("_GT", False)):
        files[f"train/10001{ending} (copy).png"] = picture(marked=marked)
    return zipped(files)


def magnetic_tile() -> bytes:
    top, files = "Magnetic-tile-defect-datasets.-cc4eb53", {}
    files[f"{top}/dataset.jpg"] = picture("jpg")
    for folder, count in {"MT_Free": 8, "MT_Crack": 3, "MT_Blowhole": 3}.items():
        for number in range(count):
            name = f"{top}/{folder}/Imgs/exp1_num_{number}"
            files |= {f"{name}.jpg": picture("jpg"), f"{name}.png": picture(marked=folder != "MT_Free")}
    return zipped(files)


def mnist(name: str) -> bytes:
    count = 4 if name.startswith("t10k") else 6
    shape = (count, 28, 28) if "images" in name else (count,)
    header = bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
    return gzip.compress(header + np.zeros(shape, np.uint8).tobytes(), mtime=0)
