"""A small variational autoencoder of patches and their masks, from whose codes new ones are drawn."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from knowngood.training.blocks import Decoder, Encoder
from knowngood.training.learner import Trainable
from knowngood.training.losses import divergence, drawn_code, l2, unlikelihood

BETA = 4.0
"""How often the divergence of codes counts ("beta-VAE", Higgins et al., ICLR 2017): the more, the nearer to
each other are codes, so that those between real ones give patches, too."""


class PatchNetwork(Trainable):
    """Encodes patches with masks, uint8 `(N, S, S, 4)` of red, green, blue and mask, and decodes codes.

    Kingma and Welling, "Auto-Encoding Variational Bayes", arXiv:1312.6114.

    Args:
        channels: 1 for grey patches, which stay grey; 3 for colour.
        side: S.
        code: Length of a code.
        width: Channels of the first convolution.

    Example:
        >>> network = PatchNetwork(1, 32, code=4, width=8).eval()
        >>> network.decode(network.encode(torch.zeros(2, 32, 32, 4, dtype=torch.uint8))).shape
        torch.Size([2, 32, 32, 4])
    """

    def __init__(self, channels: int, side: int, *, code: int = 32, width: int = 32) -> None:
        super().__init__()
        self.channels = channels
        self.encoder = Encoder(channels + 1, (side, side), code=2 * code, width=width)
        self.decoder = Decoder(channels + 1, (side, side), code=code, width=width)

    def encode(self, patches: Tensor) -> Tensor:
        """The means `(N, code)` of the codes of patches."""
        return self.encoder(self._values(patches)).chunk(2, dim=1)[0]  # type: ignore[no-any-return]

    def decode(self, codes: Tensor) -> Tensor:
        """Patches with masks, uint8 `(N, S, S, 4)`, of codes; the mask is from 0 to 255."""
        values = self.decoder(codes)
        colours = values[:, : self.channels].expand(-1, 3, -1, -1)
        whole = torch.cat([colours, values[:, self.channels :]], dim=1)
        return (255 * whole).round().to(torch.uint8).permute(0, 2, 3, 1)

    def objective(self, seen: Mapping[str, float]) -> float:
        """The loss on what is learned from: too few patches are held out to choose an epoch by them."""
        return seen["train/loss"]

    def losses(self, batch: Tensor, _: Tensor) -> Mapping[str, Tensor]:
        """The negative evidence lower bound per value, and its two parts."""
        values = self._values(batch)
        mean, log_variance = self.encoder(values).float().chunk(2, dim=1)
        rebuilt = self.decoder(drawn_code(mean, log_variance, noisy=self.training)).float()
        far = divergence(mean, log_variance)
        # A mask is black and white: with one variance for both, the image would hardly count beside it.
        image, mask = (
            unlikelihood(rebuilt[:, some], values[:, some])
            for some in (slice(self.channels), slice(self.channels, None))
        )
        unlikely = (self.channels * image + mask) / (self.channels + 1)
        loss = unlikely + BETA * far / values[0].numel()
        return {"loss": loss, "error": l2(rebuilt, values), "divergence": far}

    def _values(self, patches: Tensor) -> Tensor:
        """From uint8 `(N, S, S, 4)` to `(N, channels + 1, S, S)` from 0 to 1; grey is the mean of colours."""
        values = patches.permute(0, 3, 1, 2).float() / 255
        colours = values[:, :3] if self.channels == 3 else values[:, :3].mean(dim=1, keepdim=True)
        return torch.cat([colours, values[:, 3:]], dim=1)
