"""Equations 15 and 16: attention in both directions from one similarity S.

`bidirectional_attention` reads as the paper does. On a CPU, where a softmax over every image's S of
1024 × 1024 waits for memory, training goes image by image: one S and its softmax at a time, which
stay in cache, are not kept, and are formed again for the gradient.
"""

import torch
from torch import Tensor


def bidirectional_attention(
    queries: Tensor, keys: Tensor, values_decoder: Tensor, values_encoder: Tensor
) -> tuple[Tensor, Tensor]:
    """Eqs. 15 and 16: one similarity S, used in both directions.

    Args:
        queries: (B, heads, N, d_h), Q_d, of the decoder.
        keys: likewise, K_e, of the encoder.
        values_decoder: likewise, V_d.
        values_encoder: likewise, V_e.

    Returns:
        Δ_d = softmax(S) V_e and Δ_e = softmax(Sᵀ) V_d, each (B, heads, N, d_h).
    """
    queries = queries / queries.shape[-1] ** 0.5
    if queries.requires_grad and queries.device.type == "cpu":
        inputs = (queries, keys, values_decoder, values_encoder)
        delta_decoder, delta_encoder, _, _ = image_by_image(*(x.flatten(0, 1) for x in inputs))
        return delta_decoder.view(queries.shape), delta_encoder.view(queries.shape)
    similarity = queries @ keys.transpose(-2, -1)  # Eq. 15
    delta_decoder = similarity.softmax(dim=-1) @ values_encoder  # Eq. 16, rows of S
    delta_encoder = similarity.softmax(dim=-2).transpose(-2, -1) @ values_decoder  # columns
    return delta_decoder, delta_encoder


# Operators of their own, because compiling would unroll their loops.
@torch.library.custom_op("order::image_by_image", mutates_args=())
def image_by_image(
    queries: Tensor, keys: Tensor, values_decoder: Tensor, values_encoder: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The same of (M, N, d_h), queries scaled.

    Returns:
        Δ_d and Δ_e, (M, N, d_h); log Σ exp of each row, (M, N, 1), and column, (M, 1, N), of S.
    """
    count, tokens, _ = queries.shape
    delta_decoder, delta_encoder = map(torch.empty_like, (values_encoder, values_decoder))
    rows, columns = queries.new_empty(count, tokens, 1), queries.new_empty(count, 1, tokens)
    similarity, weights = queries.new_empty(2, tokens, tokens)
    for m in range(count):
        torch.mm(queries[m], keys[m].T, out=similarity)
        largest = similarity.amax(dim=1, keepdim=True)
        torch.sub(similarity, largest, out=weights).exp_()
        total = weights.sum(dim=1, keepdim=True)
        delta_decoder[m] = (weights @ values_encoder[m]) / total
        rows[m] = largest + total.log()

        largest = similarity.amax(dim=0, keepdim=True)
        torch.sub(similarity, largest, out=weights).exp_()
        total = weights.sum(dim=0, keepdim=True)
        delta_encoder[m] = (weights.T @ values_decoder[m]) / total.T
        columns[m] = largest + total.log()
    return delta_decoder, delta_encoder, rows, columns


@torch.library.custom_op("order::image_by_image_gradient", mutates_args=())
def image_by_image_gradient(
    gradients: list[Tensor], inputs: list[Tensor], outputs: list[Tensor]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of `image_by_image` by its inputs, from those by Δ_d and Δ_e."""
    by_decoder, by_encoder = gradients
    queries, keys, values_decoder, values_encoder = inputs
    delta_decoder, delta_encoder, rows, columns = outputs
    by_queries, by_keys, by_values_decoder, by_values_encoder = map(torch.empty_like, inputs)
    # The gradient by scores of their softmax P, from G by P, is P (G - Σ P G). Here are the Σ P G.
    sum_decoder = (by_decoder * delta_decoder).sum(dim=2, keepdim=True)
    sum_encoder = (by_encoder * delta_encoder).sum(dim=2).unsqueeze(1)
    tokens = queries.shape[1]
    weights, slope, by_similarity = queries.new_empty(3, tokens, tokens)
    for m in range(len(queries)):
        similarity = queries[m] @ keys[m].T
        torch.sub(similarity, rows[m], out=weights).exp_()
        torch.mm(weights.T, by_decoder[m], out=by_values_encoder[m])
        torch.mm(by_decoder[m], values_encoder[m].T, out=slope).sub_(sum_decoder[m])
        torch.mul(weights, slope, out=by_similarity)

        torch.sub(similarity, columns[m], out=weights).exp_()
        torch.mm(weights, by_encoder[m], out=by_values_decoder[m])
        torch.mm(values_decoder[m], by_encoder[m].T, out=slope).sub_(sum_encoder[m])
        by_similarity.addcmul_(weights, slope)

        torch.mm(by_similarity, keys[m], out=by_queries[m])
        torch.mm(by_similarity.T, queries[m], out=by_keys[m])
    return by_queries, by_keys, by_values_decoder, by_values_encoder


@image_by_image.register_fake
def _(queries, keys, values_decoder, values_encoder):
    count, tokens, _ = queries.shape
    rows, columns = queries.new_empty(count, tokens, 1), queries.new_empty(count, 1, tokens)
    return torch.empty_like(values_encoder), torch.empty_like(values_decoder), rows, columns


@image_by_image_gradient.register_fake
def _(gradients, inputs, outputs):
    return tuple(map(torch.empty_like, inputs))


def _keep(ctx, inputs, output) -> None:
    ctx.save_for_backward(*inputs, *output)


def _gradient(ctx, by_decoder, by_encoder, by_rows, by_columns):
    inputs, outputs = ctx.saved_tensors[:4], ctx.saved_tensors[4:]
    return image_by_image_gradient([by_decoder, by_encoder], list(inputs), list(outputs))


image_by_image.register_autograd(_gradient, setup_context=_keep)
image_by_image.register_autocast("cpu", torch.float32)  # softmax, as autocast does everywhere
