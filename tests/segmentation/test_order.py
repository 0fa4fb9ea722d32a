"""ORDER's bidirectional skip attention, Equations 14 to 17, against a plain reference."""

import pytest
import torch
import torch.nn.functional as F

from workflow_src.metrics.cost import count_flops
from workflow_src.segmentation import build_segmenter
from workflow_src.segmentation.order import BidirectionalSkipAttention, bidirectional_attention


def plain_attention(queries, keys, values_decoder, values_encoder):
    """Eqs. 15 and 16 read off the page, token by token, of one head: (N, d) each."""
    tokens, width = queries.shape
    s = [[(queries[i] * keys[j]).sum() / width**0.5 for j in range(tokens)] for i in range(tokens)]
    similarity = torch.stack([torch.stack(row) for row in s])

    def attended(scores, values):
        rows = []
        for row in scores:
            weight = torch.exp(row - row.max())
            rows.append((weight[:, None] * values).sum(dim=0) / weight.sum())
        return torch.stack(rows)

    return attended(similarity, values_encoder), attended(similarity.T, values_decoder)


def plain_block(block, decoder, encoder):
    """Eqs. 14 to 17 of one image, with the block's weights."""
    heads, grid = block.heads, (block.grid, block.grid)

    def projected(conv, x):
        pooled = F.adaptive_avg_pool2d(x, grid)
        maps = F.conv2d(pooled, conv.weight, conv.bias, padding=1)[0]
        return maps.flatten(1).T.chunk(heads, dim=1)  # Eq. 14

    parts = zip(
        projected(block.query, decoder),
        projected(block.key, encoder),
        projected(block.value_decoder, decoder),
        projected(block.value_encoder, encoder),
        strict=True,
    )
    deltas = [plain_attention(*part) for part in parts]

    def back(number, out):
        tokens = torch.cat([delta[number] for delta in deltas], dim=1)
        maps = tokens.T.reshape(1, -1, *grid)
        large = F.interpolate(maps, decoder.shape[-2:], mode="bilinear")
        return F.conv2d(large, out.weight, out.bias)

    means = torch.cat([decoder.mean(dim=(2, 3)), encoder.mean(dim=(2, 3))], dim=1)
    first, _, second, _ = block.confidence
    c = 1 / (1 + torch.exp(-second(first(means).clamp(min=0))))
    assert 0 <= c <= 1
    return (  # Eq. 17
        decoder + c * back(0, block.out_decoder),
        encoder + c * back(1, block.out_encoder),
    )


def random_block(seed=0, **options):
    """A block whose output projections are not zero, in double precision."""
    torch.manual_seed(seed)
    block = BidirectionalSkipAttention(**options).double()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return block


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize(("side", "grid"), [(4, 4), (8, 4)])
def test_the_block_is_equations_14_to_17(heads, side, grid):
    block = random_block(channels=3, width=6, grid=grid, heads=heads)
    features = torch.randn(2, 2, 3, side, side, dtype=torch.double)
    probe = torch.randn(2, 2, 3, side, side, dtype=torch.double)  # makes a scalar of the outputs
    results = []
    for compute in (block, None):
        block.zero_grad()
        decoder, encoder = (x.clone().requires_grad_() for x in features)
        if compute:
            outputs = block(decoder, encoder)
        else:
            images = [plain_block(block, decoder[i : i + 1], encoder[i : i + 1]) for i in range(2)]
            outputs = [torch.cat(parts) for parts in zip(*images, strict=True)]
        sum((p * o).sum() for p, o in zip(probe, outputs, strict=True)).backward()
        gradients = [decoder.grad, encoder.grad, *(p.grad.clone() for p in block.parameters())]
        results.append([*outputs, *gradients])
    for ours, plain in zip(*results, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("trains", [False, True])
def test_both_directions_share_one_similarity(trains):
    # Identity values make the outputs the attention weights themselves.
    torch.manual_seed(0)
    tokens = 5
    queries, keys = torch.randn(2, 1, 1, tokens, tokens, dtype=torch.double)
    queries.requires_grad_(trains)  # computed by other kernels then
    one = torch.eye(tokens, dtype=torch.double)[None, None]
    to_decoder, to_encoder = (m[0, 0] for m in bidirectional_attention(queries, keys, one, one))
    scores = torch.exp(queries[0, 0] @ keys[0, 0].T / tokens**0.5)
    torch.testing.assert_close(to_decoder, scores / scores.sum(dim=1, keepdim=True))  # rows of S
    torch.testing.assert_close(to_encoder, (scores / scores.sum(dim=0)).T)  # columns of S


@pytest.mark.parametrize("trains", [False, True])
def test_the_decoder_reads_the_encoder_and_the_encoder_the_decoder(trains):
    queries = keys = torch.zeros(1, 1, 4, 2, requires_grad=trains)  # attends to all alike
    values_decoder, values_encoder = torch.full((1, 1, 4, 2), 3.0), torch.full((1, 1, 4, 2), 7.0)
    deltas = bidirectional_attention(queries, keys, values_decoder, values_encoder)
    assert [delta.detach().unique().item() for delta in deltas] == [7.0, 3.0]


@pytest.mark.parametrize("stages", [(0, 1), (2, 3), (3, 4), (0, 1, 2, 3, 4)])
def test_order_starts_as_its_backbone(stages):
    torch.manual_seed(0)
    base = build_segmenter("mkunet").eval()
    for parameter in base.parameters():  # larger than at first, so that differences show
        torch.nn.init.normal_(parameter, std=0.5)
    order = build_segmenter("order", stages=stages, grid=8).eval()
    rest = order.load_state_dict(base.state_dict(), strict=False)
    assert rest.unexpected_keys == []
    assert all(name.startswith("attention") for name in rest.missing_keys)
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(order(image), base(image), rtol=0, atol=0)
        for stage in order.attention.values():  # and only because of the zeros
            torch.nn.init.normal_(stage.out_encoder.weight)
        assert not torch.allclose(order(image), base(image))


def test_the_fused_skip_is_the_sum_of_both_updates():
    order = build_segmenter("order", stages=[1], grid=4).double()
    order.attention["1"] = random_block(channels=8, width=4, grid=4)
    decoder, skip = torch.randn(2, 1, 8, 6, 6, dtype=torch.double)
    updated = plain_block(order.attention["1"], decoder, skip)
    torch.testing.assert_close(order.fuse(1, decoder, skip), sum(updated))
    torch.testing.assert_close(order.fuse(0, decoder, skip), decoder + skip)  # does not attend


def test_a_stage_smaller_than_the_grid_attends_at_its_own_size():
    small, exact = (random_block(channels=4, width=4, grid=grid) for grid in (32, 5))
    features = torch.randn(2, 1, 4, 5, 5, dtype=torch.double)
    for ours, expected in zip(small(*features), exact(*features), strict=True):
        torch.testing.assert_close(ours, expected)


def test_cost_grows_with_the_grid_and_not_with_the_image():
    def attention(grid, size):
        flops = [
            count_flops(build_segmenter(name, **options), size)
            for name, options in (("order", {"grid": grid, "stages": [0]}), ("mkunet", {}))
        ]
        return flops[0] - flops[1]

    assert attention(16, 256) < 2 * attention(16, 64)  # 16 times the pixels
    assert attention(32, 256) > 8 * attention(16, 256)  # 4 times the tokens, 16 times the pairs
