"""The scattering transform: amplitudes of waves of several sizes and directions, with nothing learned."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from knowngood.errors import RecipeError

# Weights of red, green and blue in the luminance (Recommendation ITU-R BT.601).
LUMINANCE = (0.299, 0.587, 0.114)
REACH = 3.0  # radius of a filter, in standard deviations of its envelope
_FINEST = 0.8  # standard deviation of the envelope at scale 0, in pixels: kymatio's choice
_SLANT = 0.5  # across the waves an envelope is this much shorter than along their crests: kymatio's choice


class Scattering(nn.Module):
    """Mean and maximum over the image of the scattering coefficients of images.

    An image is filtered with waves of several sizes and directions, the amplitude of each is filtered with
    the waves of larger sizes, and all amplitudes are averaged locally (Bruna and Mallat, "Invariant
    Scattering Convolution Networks", arXiv:1203.1513). The filters are those of kymatio (Andreux et al.,
    "Kymatio: Scattering Transforms in Python", arXiv:1812.11214), cropped to small kernels: away from the
    border, coefficients differ from kymatio's by less than a hundredth. At the border, images are mirrored.

    Each of the `scales` has waves twice as large as the one before, in so many directions (`angles`) over
    half a turn; averages are over about `2**scales` pixels.

    Raises:
        RecipeError: A number is out of range, or the images are too small for the largest waves.

    Example:
        >>> images = torch.zeros(2, 32, 32, 3, dtype=torch.uint8)
        >>> Scattering((32, 32), scales=2, angles=4)(images).shape
        torch.Size([2, 50])
    """

    luminance: Tensor

    def __init__(self, shape: tuple[int, int], *, scales: int = 3, angles: int = 8) -> None:
        super().__init__()
        _check(shape, scales, angles)
        # Imported here: it takes half a second, and a cached graph does not need it.
        from kymatio.scattering2d.filter_bank import filter_bank

        self.scales = scales
        self.angles = angles
        side = 2 ** (scales + 3)  # five standard deviations of the widest filter, to either side
        bank: dict[str, Any] = filter_bank(side, side, scales, angles)
        self.averages = nn.ModuleList(
            _Filter([_average(spectrum, _deviation(scales - 1 - halvings))], 2 ** (scales - halvings))
            for halvings, spectrum in enumerate(bank["phi"]["levels"])
        )
        self.waves = nn.ModuleDict()
        for scale in range(scales):
            of_scale = [wave["levels"] for wave in bank["psi"] if wave["j"] == scale]
            for halvings, spectra in enumerate(zip(*of_scale, strict=True)):
                waves = [_wave(spectrum, _deviation(scale - halvings) / _SLANT) for spectrum in spectra]
                kernels = [wave.real for wave in waves] + [wave.imag for wave in waves]
                self.waves[f"{scale}-{halvings}"] = _Filter(kernels, 2 ** (scale - halvings))
        # One factor for both: OpenVINO cannot compile a product with a vector that is divided afterwards.
        self.register_buffer("luminance", torch.tensor(LUMINANCE) / 255)

    @property
    def paths(self) -> list[tuple[tuple[int, int], ...]]:
        """Scale and angle of each wave that leads to a map, in the order of the maps."""
        waves = [(scale, angle) for scale in range(self.scales) for angle in range(self.angles)]
        pairs = [(one, other) for one in waves for other in waves if other[0] > one[0]]
        return [(), *((wave,) for wave in waves), *pairs]

    def forward(self, images: Tensor) -> Tensor:
        """Features `(N, D)` of images `(N, H, W, 3)` of 0 to 255: the mean of each path, then the maximum."""
        maps = self.maps(images)
        return torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)

    def maps(self, images: Tensor) -> Tensor:
        """Scattering coefficients `(N, paths, h, w)`, one per `2**scales` pixels from the corner."""
        grey = (images.float() * self.luminance).sum(dim=-1)[:, None]
        first, second = [], []
        for scale in range(self.scales):
            amplitude = self._amplitudes(grey, scale, 0)
            first.append(self._averaged(amplitude, scale, (self.angles,)))
            if scale < self.scales - 1:
                larger = [
                    self._averaged(self._amplitudes(amplitude, wave, scale), wave, (self.angles, self.angles))
                    for wave in range(scale + 1, self.scales)
                ]
                pairs = torch.cat(larger, dim=2)  # (N, angles, waves, h, w)
                # Flattened, it would fix the batch size of a graph whose constants are folded.
                second.append(pairs.reshape(-1, self.angles * int(pairs.shape[2]), *_sides(pairs)))
        return torch.cat([self._averaged(grey, 0, (1,)), *first, *second], dim=1)

    def _amplitudes(self, maps: Tensor, scale: int, halvings: int) -> Tensor:
        """Amplitudes `(N * C, angles, h, w)` of the waves of a scale in maps `(N, C, H, W)`."""
        parts = self.waves[f"{scale}-{halvings}"](_one_channel(maps))
        real, imaginary = parts[:, : self.angles], parts[:, self.angles :]
        return torch.sqrt(real * real + imaginary * imaginary)

    def _averaged(self, maps: Tensor, halvings: int, counts: tuple[int, ...]) -> Tensor:
        """Local averages `(N, *counts, h, w)` of maps that have been halved a number of times."""
        averages: Tensor = self.averages[halvings](_one_channel(maps))
        return averages.reshape(-1, *counts, *_sides(averages))


class _Filter(nn.Module):
    """Filters maps `(M, 1, H, W)`, mirrored at their border, with K kernels `(k, k)`."""

    kernels: Tensor

    def __init__(self, kernels: list[NDArray[np.float64]], stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.register_buffer("kernels", torch.from_numpy(np.stack(kernels)[:, None]).float())

    def forward(self, maps: Tensor) -> Tensor:
        radius = int(self.kernels.shape[-1]) // 2
        return F.conv2d(F.pad(maps, (radius,) * 4, mode="reflect"), self.kernels, stride=self.stride)


def _one_channel(maps: Tensor) -> Tensor:
    """Maps `(N, C, H, W)` as `(N * C, 1, H, W)`, for the same filters."""
    return maps.reshape(-1, 1, *_sides(maps))


def _sides(maps: Tensor) -> tuple[int, int]:
    """Height and width of maps, as constants for the graph."""
    return int(maps.shape[-2]), int(maps.shape[-1])


def _deviation(scale: int) -> float:
    """Standard deviation of an envelope's shorter axis, in pixels of its scale."""
    return float(_FINEST * 2**scale)


def _average(spectrum: NDArray[Any], deviation: float) -> NDArray[np.float64]:
    """The kernel of a local average, of sum 1."""
    kernel = _crop(spectrum, deviation).real
    return np.asarray(kernel / kernel.sum())


def _wave(spectrum: NDArray[Any], deviation: float) -> NDArray[np.complex128]:
    """The kernel of a wave, of sum 0."""
    kernel = _crop(spectrum, deviation)
    envelope = np.abs(kernel)
    return np.asarray(kernel - envelope * (kernel.sum() / envelope.sum()))


def _crop(spectrum: NDArray[Any], deviation: float) -> NDArray[np.complex128]:
    """The filter of a spectrum `(side, side)`, cropped to a kernel."""
    centred = np.fft.fftshift(np.fft.ifft2(spectrum))
    radius, middle = _radius(deviation), len(centred) // 2
    near = slice(middle - radius, middle + radius + 1)
    return np.asarray(centred[near, near])


def _radius(deviation: float) -> int:
    return math.ceil(REACH * deviation)


def _check(shape: tuple[int, int], scales: int, angles: int) -> None:
    """Refuse numbers below 1, and waves larger than the images."""
    if scales < 1 or angles < 1:
        raise RecipeError(f"scales={scales} and angles={angles} of Scattering must be at least 1")
    # A mirror image is no larger than the image itself, and maps halve as fast as the largest waves do.
    largest = [_radius(_deviation(scales - 1 - halvings) / _SLANT) for halvings in range(max(scales - 1, 1))]
    if any(math.ceil(min(shape) / 2**halvings) <= radius for halvings, radius in enumerate(largest)):
        raise RecipeError(
            f"shape={shape} is too small for scales={scales} of Scattering, whose largest waves are "
            f"{2 * largest[0] + 1} pixels wide; take fewer scales or larger images"
        )
