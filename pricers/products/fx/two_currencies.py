"""Texts of contracts with a leg in each of two currencies."""

import numpy as np
from jaxtyping import Bool, Int32

from pricers.contract.columns import Text


def interleaved(base: Text, quote: Text) -> Text:
    """[leg]: the texts of the legs in order: base of row 0, quote of row 0, base of row 1, ..."""
    names = tuple(sorted({*base.names, *quote.names}))
    codes = np.empty(2 * len(base.codes), np.int32)
    codes[0::2], codes[1::2] = _recoded(base, names), _recoded(quote, names)
    return Text(codes, names)


def _recoded(text: Text, names: tuple[str, ...]) -> Int32[np.ndarray, " row"]:
    position = {name: code for code, name in enumerate(names)}
    new_code = np.array([*(position[name] for name in text.names), -1], np.int32)
    return np.asarray(new_code[text.codes])  # the null code -1 reads the last element


def same_text(base: Text, quote: Text) -> Bool[np.ndarray, " row"]:
    """Where two text columns hold one text."""
    names = tuple(sorted({*base.names, *quote.names}))
    return np.asarray(_recoded(base, names) == _recoded(quote, names))
