"""Equations 15 and 16: attention in both directions between two sets of tokens."""

import torch.nn.functional as F
from torch import Tensor


def from_one_similarity(
    queries: Tensor, keys: Tensor, values_decoder: Tensor, values_encoder: Tensor
) -> tuple[Tensor, Tensor]:
    """Eqs. 15 and 16 as they stand; arguments and results as of `bidirectional_attention`."""
    similarity = queries @ keys.transpose(-2, -1) / queries.shape[-1] ** 0.5  # Eq. 15
    delta_decoder = similarity.softmax(dim=-1) @ values_encoder  # Eq. 16: rows of S
    delta_encoder = similarity.softmax(dim=-2).transpose(-2, -1) @ values_decoder  # columns of S
    return delta_decoder, delta_encoder


def bidirectional_attention(
    queries: Tensor, keys: Tensor, values_decoder: Tensor, values_encoder: Tensor
) -> tuple[Tensor, Tensor]:
    """Eqs. 15 and 16: one similarity S = Q_d K_eᵀ / √d_h, used in both directions.

    The columns of S are the rows of Sᵀ, in which queries and keys change places. Training therefore
    calls a fused kernel once for each direction: it forms S twice, in tiles that never leave the
    cache, in a fraction of the equations' time and memory (benchmarks/order_attention.md). Without
    gradients (prediction, export, counting of operations) the equations run as they stand.

    Args:
        queries: (B, heads, N, d_h), Q_d, of the decoder.
        keys: likewise, K_e, of the encoder.
        values_decoder: likewise, V_d.
        values_encoder: likewise, V_e.

    Returns:
        Δ_d = softmax(S) V_e and Δ_e = softmax(Sᵀ) V_d, each (B, heads, N, d_h).
    """
    if not queries.requires_grad:
        return from_one_similarity(queries, keys, values_decoder, values_encoder)
    return (
        F.scaled_dot_product_attention(queries, keys, values_encoder),
        F.scaled_dot_product_attention(keys, queries, values_decoder),
    )
