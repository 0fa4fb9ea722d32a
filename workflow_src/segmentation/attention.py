"""Equations 15 and 16: attention in both directions from one similarity S.

`bidirectional_attention` reads as the paper does. On a CPU, where every pass over an image's S of
1024 × 1024 waits for memory, training goes image by image and takes one exponential for both
directions: of E = exp(S - max S), each row divided by its sum is the softmax of that row of S, and
each column by its own that of a row of Sᵀ. E stays in cache, is not kept, and is formed again for
the gradient.
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
        delta_decoder, delta_encoder, *_ = image_by_image(*(x.flatten(0, 1).mT for x in inputs))
        return delta_decoder.view(queries.shape), delta_encoder.mT.view(queries.shape)
    similarity = queries @ keys.transpose(-2, -1)  # Eq. 15
    delta_decoder = similarity.softmax(dim=-1) @ values_encoder  # Eq. 16, rows of S
    delta_encoder = similarity.softmax(dim=-2).transpose(-2, -1) @ values_decoder  # columns
    return delta_decoder, delta_encoder


def _far_from_underflow(rows: Tensor, columns: Tensor) -> bool:
    """Whether sums of E are large enough: what E rounds to zero is then below 1e-8 of each."""
    least = torch.finfo(rows.dtype).tiny ** 0.7
    return bool(rows.min() > least and columns.min() > least)


# Operators of their own, because compiling would unroll their loops. Which tensors are (N, d_h) and
# which (d_h, N) is chosen for the products: some take twice as long the other way.
@torch.library.custom_op("order::image_by_image", mutates_args=())
def image_by_image(
    queries: Tensor, keys: Tensor, values_decoder: Tensor, values_encoder: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The same of (M, d_h, N), queries scaled.

    Returns:
        Δ_d, (M, N, d_h), and Δ_e, (M, d_h, N); the sums of E's rows, (M, N, 1), and columns,
        (M, 1, N); and max S, (M,).
    """
    count, width, tokens = queries.shape
    delta_decoder = queries.new_empty(count, tokens, width)
    delta_encoder = queries.new_empty(count, width, tokens)
    rows, columns = queries.new_empty(count, tokens, 1), queries.new_empty(count, 1, tokens)
    largest, e = queries.new_empty(count), queries.new_empty(tokens, tokens)
    for m in range(count):
        torch.mm(queries[m].T, keys[m], out=e)
        largest[m] = e.max()
        e.sub_(largest[m]).exp_()
        torch.sum(e, dim=1, keepdim=True, out=rows[m])
        torch.sum(e, dim=0, keepdim=True, out=columns[m])
        if _far_from_underflow(rows[m], columns[m]):
            torch.mm(e, values_encoder[m].T, out=delta_decoder[m]).div_(rows[m])
            torch.mm(values_decoder[m], e, out=delta_encoder[m]).div_(columns[m])
        else:
            similarity = queries[m].T @ keys[m]
            torch.mm(similarity.softmax(dim=1), values_encoder[m].T, out=delta_decoder[m])
            torch.mm(values_decoder[m], similarity.softmax(dim=0), out=delta_encoder[m])
    return delta_decoder, delta_encoder, rows, columns, largest


@torch.library.custom_op("order::image_by_image_gradient", mutates_args=())
def image_by_image_gradient(
    gradients: list[Tensor], inputs: list[Tensor], outputs: list[Tensor]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of `image_by_image` by its inputs, from those by Δ_d and Δ_e.

    With P = softmax(S) and G the gradient by Δ_d, that by S is P (G V_eᵀ - G·Δ_d), the dot taken
    row by row; and likewise for columns. P is E over its sums, so that one product of (G, V_d, ...)
    with (V_e, ...), all divided by their sums, gives what E is multiplied with for both directions.

    Returns:
        By queries, (M, N, d_h); keys, (M, d_h, N); V_d, (M, N, d_h); and V_e, (M, d_h, N).
    """
    queries, keys, values_decoder, values_encoder = inputs
    delta_decoder, delta_encoder, all_rows, all_columns, largest = outputs
    by_queries, by_values_decoder = torch.empty_like(delta_decoder), torch.empty_like(delta_decoder)
    by_keys, by_values_encoder = torch.empty_like(delta_encoder), torch.empty_like(delta_encoder)
    tokens = queries.shape[2]
    e, slope = queries.new_empty(2, tokens, tokens)
    ones = queries.new_ones(tokens, 1)
    for m, (rows, columns) in enumerate(zip(all_rows, all_columns, strict=True)):
        by_rows, by_columns = gradients[0][m], gradients[1][m]
        dot_rows = (by_rows * delta_decoder[m]).sum(dim=1, keepdim=True)
        dot_columns = (by_columns * delta_encoder[m]).sum(dim=0, keepdim=True)
        torch.mm(queries[m].T, keys[m], out=e)
        if _far_from_underflow(rows, columns):
            e.sub_(largest[m]).exp_()
            by_rows, by_columns = by_rows / rows, by_columns / columns
            torch.mm(e, by_columns.T, out=by_values_decoder[m])
            torch.mm(by_rows.T, e, out=by_values_encoder[m])
            left = torch.cat([by_rows, values_decoder[m].T, -dot_rows / rows, ones], dim=1)
            right = torch.cat([values_encoder[m], by_columns, ones.T, -dot_columns / columns])
            by_similarity = e.mul_(torch.mm(left, right, out=slope))
        else:
            softmax_rows, softmax_columns = e.softmax(dim=1), e.softmax(dim=0)
            torch.mm(softmax_columns, by_columns.T, out=by_values_decoder[m])
            torch.mm(by_rows.T, softmax_rows, out=by_values_encoder[m])
            by_similarity = softmax_rows * (by_rows @ values_encoder[m] - dot_rows)
            by_similarity += softmax_columns * (values_decoder[m].T @ by_columns - dot_columns)
        torch.mm(by_similarity, keys[m].T, out=by_queries[m])
        torch.mm(queries[m], by_similarity, out=by_keys[m])
    return by_queries, by_keys, by_values_decoder, by_values_encoder


@image_by_image.register_fake
def _(queries, keys, values_decoder, values_encoder):
    count, width, tokens = queries.shape
    return (
        queries.new_empty(count, tokens, width),
        queries.new_empty(count, width, tokens),
        queries.new_empty(count, tokens, 1),
        queries.new_empty(count, 1, tokens),
        queries.new_empty(count),
    )


@image_by_image_gradient.register_fake
def _(gradients, inputs, outputs):
    delta_decoder, delta_encoder = outputs[:2]
    return tuple(map(torch.empty_like, (delta_decoder, delta_encoder) * 2))


def _keep(ctx, inputs, output) -> None:
    ctx.save_for_backward(*inputs, *output)


def _gradient(ctx, by_decoder, by_encoder, *_):
    inputs, outputs = ctx.saved_tensors[:4], ctx.saved_tensors[4:]
    by_queries, by_keys, by_values_decoder, by_values_encoder = image_by_image_gradient(
        [by_decoder, by_encoder], list(inputs), list(outputs)
    )
    return by_queries.mT, by_keys, by_values_decoder.mT, by_values_encoder


image_by_image.register_autograd(_gradient, setup_context=_keep)
# A softmax in full precision, as autocast takes it on a GPU.
image_by_image.register_autocast("cpu", torch.float32)
image_by_image_gradient.register_autocast("cpu", torch.float32)
