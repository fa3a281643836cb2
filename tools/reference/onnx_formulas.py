"""Operators that onnx.reference lacks or computes otherwise than their pages say, by the formulas of their pages."""
import math

import numpy as np
from onnx.reference.op_run import OpRun


def spatial(x):
    return tuple(range(2, x.ndim))


def norm(x, p, axes):
    return (np.abs(x.astype(np.float64)) ** p).sum(axis=axes, keepdims=True) ** (1 / p)


class GlobalMaxPool(OpRun):
    op_domain = ""

    def _run(self, x):
        return (x.max(axis=spatial(x), keepdims=True, initial=-np.inf),)


class GlobalLpPool(OpRun):
    op_domain = ""

    def _run(self, x, p=None):
        return (norm(x, p or 2, spatial(x)).astype(x.dtype),)


class LpNormalization(OpRun):
    op_domain = ""

    def _run(self, x, axis=None, p=None):
        length = norm(x, p or 2, -1 if axis is None else axis)
        return (np.where(length == 0, 0, x / np.where(length == 0, 1, length)).astype(x.dtype),)


class LRN(OpRun):
    op_domain = ""

    def _run(self, x, alpha=None, beta=None, bias=None, size=None):
        alpha, beta, bias = (default if number is None else number for number, default in ((alpha, 1e-4), (beta, 0.75), (bias, 1.0)))
        squares, channels = x.astype(np.float64) ** 2, x.shape[1]
        sums = np.zeros_like(squares)
        for channel in range(channels):
            first, last = channel - (size - 1) // 2, channel + math.ceil((size - 1) / 2)
            sums[:, channel] = squares[:, max(first, 0) : last + 1].sum(axis=1)
        return ((x / (bias + alpha / size * sums) ** beta).astype(x.dtype),)


FORMULAS = [GlobalMaxPool, GlobalLpPool, LpNormalization, LRN]
