"""The public data sets that are known by name: where each is, how large, how to know it, under which licence.

Addresses, sizes and checksums are those of their publishers, or of loaders that download the same files, as
anomalib and torchvision do; see docs/decisions/0027-data-by-name.md. No checksum is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping

from knowngood.data.named.entries import Archive, NamedData
from knowngood.data.named.megabytes import MB

BY_NC_SA = "CC BY-NC-SA 4.0, no commercial use: https://creativecommons.org/licenses/by-nc-sa/4.0/"
BY = "CC BY 4.0: https://creativecommons.org/licenses/by/4.0/"


_IDX = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MNIST = tuple(
    Archive(f"{name}-ubyte.gz", size, (f"{_IDX}{name}-ubyte.gz",), f"{digest}")
    for name, size, digest in (
        ("train-images-idx3", 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        ("train-labels-idx1", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        ("t10k-images-idx3", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        ("t10k-labels-idx1", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    )
)

# MVTec gives its files new addresses from time to time: newest first.
_MVTEC = "https://www.mydrive.ch/shares"
_OLDER = f"{_MVTEC}/38536/3830184030e49fe74747669442f0f283/download"
MVTEC_AD_WHOLE = Archive(
    "mvtec_anomaly_detection.tar.xz",
    5_264_982_680,
    (),
    "cf4313b13603bec67abb49ca959488f7eedce2a9f7795ec54446c649ac98cd3d",
)
MVTEC_AD = {
    "bottle": (148, "150452/132a93367fb17cdf968dfb5c4013f6e7", "420937370-1629958698"),
    "cable": (481, "150453/10f960e07fec2838b2cd512586633a32", "420937413-1629958794"),
    "capsule": (385, "150454/e0ce6dd74eb150f46c0d98131b3703f2", "420937454-1629958872"),
    "carpet": (705, "150455/eac7fbce84d93a5094e13f391170eca4", "420937484-1629959013"),
    "grid": (153, "150456/bb0b2e3dc804ccb8b4485e01f8e4493b", "420937487-1629959044"),
    "hazelnut": (588, "150457/51d49f65e84bdc100ff8035d7dd783ea", "420937545-1629959162"),
    "leather": (500, "150458/923030ce14e10a7d147e95d0f8885f6b", "420937607-1629959262"),
    "metal_nut": (157, "150459/c68856a21dca589b0f8ff6d4ee0f18f4", "420937637-1629959294"),
    "pill": (262, "150460/d4f1c04da67034ccc8d8b5fa3e73f244", "420938129-1629960351"),
    "screw": (186, "150461/242f454cc6385e5693c4fd4b94567d1e", "420938130-1629960389"),
    "tile": (335, "150462/5479f0fdc97bc6fa16eab0cb0cf0109f", "420938133-1629960456"),
    "toothbrush": (104, "150463/895a1a5fb84b958f07417784b060434b", "420938134-1629960477"),
    "transistor": (384, "150464/99b8ea0332438d64fcc2475ee73f9c29", "420938166-1629960554"),
    "wood": (474, "150465/d5b4115b720cdb54d217e75636e6e374", "420938383-1629960649"),
    "zipper": (152, "150466/bd155b557520edaf692d9bfdb915c24a", "420938385-1629960680"),
}
"""Megabytes, share and file of each product."""

MVTEC_LOCO = Archive(
    "mvtec_loco_anomaly_detection.tar.xz",
    6_126_996_224,
    (
        f"{_MVTEC}/48237/1b9106ccdfbb09a0c414bd49fe44a14a/download/430647091-1646842701/"
        "mvtec_loco_anomaly_detection.tar.xz",
    ),
    "9e7c84dba550fd2e59d8e9e231c929c45ba737b6b6a6d3814100f54d63aae687",
)
MVTEC_AD_2 = Archive(
    "mvtec_ad_2.tar.gz",
    32_739_596_982,
    (f"{_MVTEC}/121573/7f68fe2c4f7c2ceaa08f463aaeb2f414/download/466712769-1743422799/mvtec_ad_2.tar.gz",),
    "c0ded99ef32bfc8e352d52beb44515e5b292b8598cb963aadfa91ca0763505e4",
)
VISA = Archive(
    "VisA_20220922.tar",
    1_929_840_640,
    ("https://amazon-visual-anomaly.s3.us-west-2.amazonaws.com/VisA_20220922.tar",),
    "2eb8690c803ab37de0324772964100169ec8ba1fa3f7e94291c9ca673f40f362",
)
BTAD = Archive(
    "btad.zip",
    1_229_193_337,
    ("https://avires.dimi.uniud.it/papers/btad/btad.zip",),
    "461c9387e515bfed41ecaae07c50cf6b10def647b36c9e31d239ab2736b10d2a",
)
KOLEKTOR_SDD = Archive(
    "KolektorSDD.zip",
    101_831_129,
    ("https://data.vicos.si/datasets/KSDD/KolektorSDD.zip", "https://go.vicos.si/kolektorsdd"),
    "65dc621693418585de9c4467d1340ea7958a6181816f0dc2883a1e8b61f9d4dc",
)
KOLEKTOR_SDD2 = Archive(
    "KolektorSDD2.zip",
    853_126_555,
    ("https://data.vicos.si/datasets/KSDD/KolektorSDD2.zip", "https://go.vicos.si/kolektorsdd2"),
    "edcdb486809b24f1d17b785e30c52fafc5999554dd5fe18ddf77b61ceb6f36a8",
)
# The archive of a commit: its content is fixed, and nobody promises its bytes.
MAGNETIC_TILE = Archive(
    "magnetic-tile.zip",
    60 * MB,
    (
        "https://github.com/abin24/Magnetic-tile-defect-datasets./archive/"
        "cc4eb530b57b9cb7225bf76023873043ffd50655.zip",
    ),
)
AUTOVI = {
    "engine_wiring": (250, "252590d3249f7fbdf83a7e9b735ef0df175adc218460247e9a63bef1c03d420c"),
    "pipe_clip": (144, "955bb17b3a471e23979f46f998a4723acd00cf3afc4d5edf0578dfb6ea80d6c3"),
    "pipe_staple": (106, "fb9287f2cc86d660310e9886fdebbe2bd17269e853e29d06d708c6a996df1b18"),
    "tank_screw": (1100, "48d7193164b36de03cc10c9f7b1b64ea98a0ce7aa57867c8f1d96341c497b4b0"),
    "underbody_pipes": (950, "fc1e53336d46fb2317d71e95c011bac012b609f2898fdb02780c920c19a113c7"),
    "underbody_screw": (1300, "3e9bf6a43033a22c7c9f927a43c392a3b037d22580a27a48d379d4504d9cc6cf"),
}
"""Megabytes and SHA-256 of each product."""


def _products(
    name: str, products: str, archive: Archive, about: str, licence: str, page: str, *also: str
) -> list[NamedData]:
    """The products of a data set that is one archive; `also` are folders that each of them needs."""
    return [
        NamedData(f"{name}/{product}", about, licence, page, (archive,), (product, *also))
        for product in products.split()
    ]


_ALL = [
    NamedData(
        "mnist",
        "handwritten digits, 28 x 28 (LeCun et al. 1998)",
        "CC BY-SA 3.0 (as usually stated): https://creativecommons.org/licenses/by-sa/3.0/",
        "http://yann.lecun.com/exdb/mnist",
        MNIST,
    ),
    NamedData(
        "elpv",
        "solar cells (Deitsch et al. 2019, doi 10.1016/j.solener.2019.02.067)",
        BY_NC_SA,
        "https://github.com/zae-bayern/elpv-dataset",
        package="elpv-dataset",
    ),
    *(
        NamedData(
            f"mvtec-ad/{product}",
            "objects and textures (Bergmann et al. 2019, doi 10.1109/CVPR.2019.00982)",
            BY_NC_SA,
            "https://www.mvtec.com/company/research/datasets/mvtec-ad",
            (
                Archive(
                    f"{product}.tar.xz",
                    size * MB,
                    (
                        f"{_MVTEC}/{share}/download/{file}/{product}.tar.xz",
                        f"{_OLDER}/{file}/{product}.tar.xz",
                    ),
                ),
            ),
            (product,),
            instead=(MVTEC_AD_WHOLE,),
        )
        for product, (size, share, file) in MVTEC_AD.items()
    ),
    *_products(
        "mvtec-loco",
        "breakfast_box juice_bottle pushpins screw_bag splicing_connectors",
        MVTEC_LOCO,
        "logical and structural anomalies (Bergmann et al. 2022, doi 10.1007/s11263-022-01578-9)",
        BY_NC_SA,
        "https://www.mvtec.com/company/research/datasets/mvtec-loco",
    ),
    *_products(
        "mvtec-ad-2",
        "can fabric fruit_jelly rice sheet_metal vial wallplugs walnuts",
        MVTEC_AD_2,
        "harder scenes (Heckler-Kram et al. 2025, arXiv:2503.21622)",
        BY_NC_SA,
        "https://www.mvtec.com/company/research/datasets/mvtec-ad-2",
    ),
    *_products(
        "visa",
        "candle capsules cashew chewinggum fryum macaroni1 macaroni2 pcb1 pcb2 pcb3 pcb4 pipe_fryum",
        VISA,
        "objects, also several in an image (Zou et al. 2022, arXiv:2207.14315)",
        BY,
        "https://github.com/amazon-science/spot-diff",
        "split_csv",
    ),
    *_products(
        "btad",
        "01 02 03",
        BTAD,
        "products of a plant (Mishra et al. 2021, arXiv:2104.10036)",
        BY_NC_SA,
        "https://avires.dimi.uniud.it/papers/btad/btad.zip",
    ),
    *(
        NamedData(
            f"autovi/{product}",
            "a line of car assembly (Carvalho et al. 2024, doi 10.5281/zenodo.10459003)",
            BY_NC_SA,
            "https://zenodo.org/records/10459003",
            (
                Archive(
                    f"{product}.zip",
                    size * MB,
                    (f"https://zenodo.org/records/10459003/files/{product}.zip?download=1",),
                    f"{digest}",
                ),
            ),
            (product,),
        )
        for product, (size, digest) in AUTOVI.items()
    ),
    NamedData(
        "kolektor/sdd",
        "commutators with cracks (Tabernik et al. 2020, doi 10.1007/s10845-019-01476-x)",
        BY_NC_SA,
        "https://www.vicos.si/resources/kolektorsdd",
        (KOLEKTOR_SDD,),
        ("kos*",),
    ),
    NamedData(
        "kolektor/sdd2",
        "surfaces with defects (Bozic et al. 2021, doi 10.1016/j.compind.2021.103459)",
        BY_NC_SA,
        "https://www.vicos.si/resources/kolektorsdd2",
        (KOLEKTOR_SDD2,),
        ("train", "test"),
        leave=("*(copy)*",),  # one image and its mask are there twice
    ),
    NamedData(
        "magnetic-tile",
        "surfaces of magnets (Huang et al. 2020, doi 10.1007/s00371-018-1588-5)",
        "none stated by its authors, who publish it for research: ask them before any other use",
        "https://github.com/abin24/Magnetic-tile-defect-datasets.",
        (MAGNETIC_TILE,),
        ("MT_*",),
    ),
]

DATA_SETS: Mapping[str, NamedData] = {data.name: data for data in _ALL}
"""All data sets by name."""
