"""What a sampled caption is worth in self-critical training, by tensor operations on the device that samples it."""

from __future__ import annotations

import math
from itertools import chain

import torch
from torch import Tensor, nn

from model.cnn_lstm.vocabulary import PAD
from training.batches import Texts

_ORDERS = 4
_SIGMA = 6.0  # of CIDEr-D's penalty for a difference in length
_BITS = 15  # of a token: four fit into 60 bits
_NOWHERE = 2**62  # above all codes and keys
_NO_LENGTH = 2**20  # of a reference that is not there: never the closest


class Reward:
    """CIDEr-D (Vedantam et al. 2015, arXiv 1411.5726) of hypotheses against their images' references, plus
    `bleu_weight` times the sentence's BLEU-4 (Papineni et al. 2002) with one added above single words (Lin and Och
    2004). All are tokens that end with END: without the end in the reward,
    captions that break off are rewarded. Document frequencies are those of the references given: the training split's.

    The references are tokens that end with END, by image; an image may have more of them than another.
    Raises ValueError where an image has none, or a token is PAD or does not fit into 15 bits.

    Held on the device, with "found" for the n-grams of orders 1 to 4 that an image's references have, once each:
        table   (ngrams + 1)           codes of all n-grams, sorted
        rarity  (ngrams + 1)           their logarithms of inverse document frequency, last that of unknown ones
        keys    (found + 1)            image * len(table) + place in the table, sorted
        counts  (found + 1, R)         how often each of the image's references has it, last those of unknown ones
        norms   (images, 4, R)         of the references' tf-idf weights, by order
        lengths (images, R)            of the references in words
        number  (images)               of references
    R is the largest number of references; what an image lacks of them has counts and norms of zero.
    """

    def __init__(
        self,
        references: Texts,
        bleu_weight: float = 0.0,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._bleu_weight = bleu_weight
        number = torch.tensor([len(texts) for texts in references])
        if not number.all():
            raise ValueError(f"image {int(number.argmin())} has no reference")
        images, slots = len(number), int(number.max())

        texts = [text for own in references for text in own]
        image_of = torch.arange(images).repeat_interleave(number)
        slot_of = torch.arange(len(texts)) - (number.cumsum(0) - number)[image_of]
        length = torch.tensor([len(text) for text in texts])
        tokens = torch.tensor(list(chain.from_iterable(texts)), dtype=torch.long)
        if len(tokens) and not PAD < tokens.min() <= tokens.max() < 1 << _BITS:
            raise ValueError(f"tokens from {int(tokens.min())} to {int(tokens.max())}: {PAD + 1} to {2**_BITS - 1} fit")

        # One row of all texts, with PAD between them, which no n-gram crosses.
        text_of = torch.arange(len(texts)).repeat_interleave(length)
        row = torch.full((len(tokens) + len(texts),), PAD)
        row[torch.arange(len(tokens)) + text_of] = tokens
        text_at = torch.arange(len(texts)).repeat_interleave(length + 1)
        codes = _codes(row)
        text_at = text_at.expand_as(codes)[codes > 0]
        table, ngram = codes[codes > 0].unique(return_inverse=True)
        width = len(table) + 1
        keys, found = (image_of[text_at] * width + ngram).unique(return_inverse=True)
        counts = torch.zeros((len(keys) + 1, slots), dtype=torch.double)
        counts.index_put_((found, slot_of[text_at]), torch.ones((), dtype=torch.double), accumulate=True)

        # A word that all images have, as END, is worth exactly zero, or a norm of nearly zero would be divided by:
        # logarithms of the same number are to be the same.
        logarithms = torch.tensor([0.0, *(math.log(n) for n in range(1, images + 1))], dtype=torch.double)
        documents = (keys % width).bincount(minlength=width)
        rarity = logarithms[-1] - logarithms[documents]

        weights = counts[:-1] * rarity[keys % width].unsqueeze(1)
        order = torch.bucketize(table, torch.tensor([1 << _BITS * words for words in range(1, _ORDERS)]), right=True)
        place = keys // width * _ORDERS + order[keys % width]
        squares = torch.zeros((images * _ORDERS, slots), dtype=torch.double).index_add_(0, place, weights.square())
        lengths = torch.full((images, slots), _NO_LENGTH)
        lengths[image_of, slot_of] = length

        nowhere = torch.tensor([_NOWHERE])
        self._table = torch.cat([table, nowhere]).to(device)
        self._rarity = rarity.to(device, dtype)
        self._keys = torch.cat([keys, nowhere]).to(device)
        self._counts = counts.to(device, dtype)
        self._norms = squares.sqrt().view(images, _ORDERS, slots).to(device, dtype)
        self._lengths = lengths.to(device)
        self._number = number.to(device, dtype)

    def __call__(self, images: Tensor, hypotheses: Tensor) -> Tensor:
        """Rewards (batch, samples) of hypotheses (batch, samples, length) for images (batch), which are numbers of
        the references. A hypothesis ends with END and is filled up with PAD; its tokens fit into 15 bits too, which
        is not checked. All are on the device of the reward, and nothing waits for it.
        """
        codes = _codes(hypotheses)  # (batch, samples, 4, length)
        ngrams = _find(self._table, codes)
        found = _find(self._keys, images[:, None, None, None] * len(self._table) + ngrams)
        ours = _counts(codes).to(self._counts.dtype)
        theirs = self._counts[found]  # (batch, samples, 4, length, R)
        given = (codes > 0).sum(dim=-1)  # (batch, samples, 4)
        lengths = self._lengths[images].unsqueeze(1)  # (batch, 1, R)
        reward = 10 * self._cider(images, ours, theirs, self._rarity[ngrams], given, lengths)
        if self._bleu_weight:
            reward = reward + self._bleu_weight * _bleu4(ours, theirs.amax(dim=-1), given, lengths)
        return reward

    def _cider(
        self, images: Tensor, ours: Tensor, theirs: Tensor, rarity: Tensor, given: Tensor, lengths: Tensor
    ) -> Tensor:
        """Mean over the references (batch, samples)."""
        clipped = ours.unsqueeze(-1).minimum(theirs) * theirs
        shared = (clipped * rarity.square().unsqueeze(-1)).sum(dim=-2)  # (batch, samples, 4, R)
        norms = (ours * rarity).square().sum(dim=-1).sqrt().unsqueeze(-1) * self._norms[images].unsqueeze(1)
        similarity = (shared / norms.where(norms > 0, 1)).mean(dim=2)  # nothing is shared where a norm is zero
        bigrams = lengths - 1  # wrong for an empty reference, to which nothing is similar
        apart = (given[:, :, 1:2] - bigrams).to(ours.dtype)
        penalty = (-apart.square() / (2 * _SIGMA**2)).exp()
        return (similarity * penalty).sum(dim=-1) / self._number[images].unsqueeze(1)


def _codes(tokens: Tensor) -> Tensor:
    """Tokens (..., length) to (..., 4, length): for each order a number for the n-gram that begins there, and zero
    where PAD or the end comes before it is whole. PAD is zero, so n-grams of different orders have different numbers.
    """
    codes = [tokens]
    for order in range(1, _ORDERS):
        following = nn.functional.pad(tokens, (0, order), value=PAD)[..., order:]
        whole = (codes[-1] > 0) & (following > 0)
        codes.append((codes[-1] << _BITS | following).where(whole, 0))
    return torch.stack(codes, dim=-2)


def _find(ordered: Tensor, wanted: Tensor) -> Tensor:
    """The places of the wanted (...) in the ordered (n), and n - 1, which is nowhere, for what is not there."""
    place = torch.searchsorted(ordered, wanted)
    return place.where(ordered[place] == wanted, len(ordered) - 1)


def _counts(codes: Tensor) -> Tensor:
    """How often each of the codes (..., length) occurs, at its first place; zero at others, and where code is zero."""
    same = codes.unsqueeze(-1) == codes.unsqueeze(-2)  # (..., length, length)
    again = same.tril(-1).any(dim=-1)
    return same.sum(dim=-1).where(~again & (codes > 0), 0)


def _bleu4(ours: Tensor, most: Tensor, given: Tensor, lengths: Tensor) -> Tensor:
    """BLEU-4 (batch, samples) of counts (batch, samples, 4, length), clipped by the most that a reference has."""
    added = torch.arange(_ORDERS, device=ours.device) > 0
    matched = ours.minimum(most).sum(dim=-1) + added
    precision = (matched / (given.clamp(min=1) + added)).log().mean(dim=-1)  # without a word: -inf, of which exp is 0
    words = given[:, :, :1]
    closest = ((lengths - words).abs() << 32 | lengths).amin(dim=-1) & (1 << 32) - 1  # of two as close the shorter
    brevity = 1 - closest.to(ours.dtype) / words.squeeze(-1).clamp(min=1)
    return (precision + brevity.clamp(max=0)).exp()
