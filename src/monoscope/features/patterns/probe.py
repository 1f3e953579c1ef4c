"""How strongly features fire at the end of short texts: one run of the model serves all features."""

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int

from monoscope.dictionaries import SparseAutoencoder
from monoscope.models import LanguageModel


@runtime_checkable
class Activate(Protocol):
    """Activations at the end of texts."""

    def __call__(
        self,
        texts: Int[np.ndarray, "text token"],
        which: Int[np.ndarray, " pair"],
        features: Int[np.ndarray, " pair"],
    ) -> Float[np.ndarray, " pair"]:
        """How active ``features[i]`` is on the last token of ``texts[which[i]]``.

        Args:
            texts: tokens, without the beginning-of-text token; no text is given twice.
            which: number of the text.
            features: number of the feature.
        """
        ...


def activations_at_the_end(
    lm: LanguageModel, dictionary: SparseAutoencoder, *, batch_tokens: int = 1 << 12
) -> Activate:
    """Run the model and encode the last token of each text.

    Args:
        lm: the model; its beginning-of-text token, where it has one, is put in front of each text.
        dictionary: the dictionary; its ``site`` is read.
        batch_tokens: tokens run through the model at once, about.

    Raises:
        UnknownSite: the model has no such site.
        MismatchedArtefact: the dictionary reads another width.
    """
    site = lm.resolve(dictionary.site)
    dictionary.check_width(lm.width(site), str(site))
    first = [] if lm.bos_id is None else [lm.bos_id]

    def activate(texts: np.ndarray, which: np.ndarray, features: np.ndarray) -> np.ndarray:
        found = np.zeros(len(which))
        rows = np.concatenate([np.full((len(texts), len(first)), first, np.int64), texts], 1)
        size = max(1, batch_tokens // rows.shape[1])
        order = np.argsort(which, kind="stable")
        bounds = np.searchsorted(which[order], np.arange(0, len(texts) + size, size))
        for start, low, high in zip(
            range(0, len(texts), size), bounds[:-1].tolist(), bounds[1:].tolist(), strict=False
        ):
            x = lm.activations(torch.from_numpy(rows[start : start + size]), [site])[site][:, -1]
            with torch.no_grad():
                codes = dictionary.sparse_encode(x.float().to(dictionary.decoder.device))
            pairs = order[low:high]
            values = codes.values.float().cpu().numpy()[which[pairs] - start]
            same = codes.indices.cpu().numpy()[which[pairs] - start] == features[pairs, None]
            found[pairs] = (values * same).sum(1)
        return found

    return activate
