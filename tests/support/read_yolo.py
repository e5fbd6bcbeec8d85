"""What Ultralytics reads, as a line of JSON: `python read_yolo.py detect=FOLDER segment=FOLDER`."""

import hashlib
import json
import sys
from pathlib import Path


def read(task, folder):
    """Each image by its name: its split, pixels, classes, boxes, outlines, and the masks to train on."""
    # Not above: its import changes how NumPy prints and what Pillow opens, and pytest imports all files here.
    from ultralytics.cfg import get_cfg
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.data.utils import check_det_dataset

    about = check_det_dataset(str(Path(folder) / "data.yaml"))
    found = {}
    for split in ("train", "val", "test"):
        hyp = get_cfg(overrides={"overlap_mask": False, "mask_ratio": 1})
        data = YOLODataset(about[split], imgsz=80, data=about, task=task, augment=False, hyp=hyp)
        for number, label in enumerate(data.labels):
            sample = data[number]
            found[Path(label["im_file"]).stem] = {
                "split": split,
                "pixels": hashlib.sha256(data.load_image(number)[0][..., ::-1].tobytes()).hexdigest(),
                "names": [about["names"][int(one)] for one in label["cls"][:, 0]],
                "boxes": label["bboxes"].tolist(),
                "outlines": [outline.tolist() for outline in label["segments"]],
                "masks": [mask.tolist() for mask in sample["masks"]] if task == "segment" else [],
            }
    return found


if __name__ == "__main__":
    asked = dict(argument.split("=", 1) for argument in sys.argv[1:])
    sys.stdout.write("\n" + json.dumps({task: read(task, folder) for task, folder in asked.items()}))
