from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ops.nn.recurrent import gru_step
from ops.nn.seq2seq import Seq2Seq, SequenceAttention

KINDS = ("additive", "general", "dot")
BEGIN, END = 0, 1


def network(kind: Any = "additive", **settings: Any) -> Seq2Seq:
    torch.manual_seed(0)
    sizes = {"source_vocabulary": 8, "target_vocabulary": 8, "dim": 6, "hidden": 10, **settings}
    return Seq2Seq(attention=kind, **sizes)


def drawn(generator: torch.Generator, batch: int = 64, longest: int = 6) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sources of 1 to 6 tokens, their lengths, and the same backwards: what stands before, and what is to be said."""
    lengths = torch.randint(1, longest + 1, (batch,), generator=generator)
    tokens = torch.randint(2, 8, (batch, longest), generator=generator)
    target = torch.full((batch, longest + 1), END)
    for row, length in enumerate(lengths.tolist()):
        target[row, :length] = tokens[row, :length].flip(0)
    before = torch.cat((torch.full((batch, 1), BEGIN), target[:, :-1]), dim=1)
    return tokens, lengths, before, target


@pytest.mark.parametrize("kind", KINDS)
def test_attention_is_the_papers(kind: Any) -> None:
    torch.manual_seed(0)
    attention: Any = SequenceAttention(kind, 4, 4)
    states, values, lengths = torch.randn(2, 3, 4), torch.randn(2, 5, 4), torch.tensor([5, 2])
    inside = torch.arange(5) < lengths[:, None]
    mixed, weights = attention(states, (values, attention.key(values), inside))
    for row, length in enumerate(lengths.tolist()):
        for place in range(3):
            h, s = states[row, place], values[row, :length]
            if kind == "additive":
                query = attention.query.weight @ h + attention.query.bias
                scores = [attention.weigh.weight[0] @ torch.tanh(query + attention.key.weight @ one) for one in s]
            else:
                scores = [h @ (attention.key.weight @ one if kind == "general" else one) for one in s]
            shares = torch.stack(scores).exp() / torch.stack(scores).exp().sum()
            assert torch.allclose(weights[row, place, :length], shares, atol=1e-5)
            assert weights[row, place, length:].sum() == 0
            assert torch.allclose(mixed[row, place], shares @ s, atol=1e-5)


def test_a_step_is_what_it_says() -> None:
    net: Any = network()
    source, (hidden, mixed) = net.read(torch.randint(2, 8, (2, 4)), torch.tensor([4, 2]))
    mixed, tokens = torch.randn_like(mixed), torch.tensor([3, 5])
    logits, (after, fed) = net.step(tokens, (hidden, mixed), source)
    cell = [net.decoder.get_parameter(name) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    expected = gru_step(torch.cat((net.target.weight[tokens], mixed), dim=1), hidden, tuple(cell))
    assert torch.allclose(after, expected, atol=1e-5)
    context, _ = net.attention(expected[:, None], source)
    told = torch.tanh(torch.cat((expected, context[:, 0]), dim=1) @ net.mix.weight.T + net.mix.bias)
    assert torch.allclose(fed, told, atol=1e-5)
    assert torch.allclose(logits, told @ net.head.weight.T + net.head.bias, atol=1e-5)


def test_what_is_read_is_read_from_both_ends_and_begins_the_decoder() -> None:
    """Row by row and cell by cell; the decoder begins with tanh(W s) of the states at both ends of reading."""
    net: Any = network()
    tokens, lengths = torch.randint(2, 8, (3, 5)), torch.tensor([5, 1, 3])
    (states, keys, inside), (begin, mixed) = net.read(tokens, lengths)
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    ways = [tuple(net.encoder.get_parameter(name + end) for name in names) for end in ("", "_reverse")]
    for row, length in enumerate(lengths.tolist()):
        seen: list[list[Tensor]] = []
        for way, places in zip(ways, (range(length), reversed(range(length))), strict=True):
            hidden, found = torch.zeros(1, 5), {}
            for place in places:
                hidden = gru_step(net.source.weight[tokens[row, place]][None], hidden, way)
                found[place] = hidden[0]
            seen.append([found[place] for place in range(length)])
        both = torch.stack([torch.cat(pair) for pair in zip(*seen, strict=True)])
        assert torch.allclose(states[row, :length], both, atol=1e-5) and states[row, length:].abs().sum() == 0
        ends = torch.cat((seen[0][-1], seen[1][0]))
        assert torch.allclose(begin[row], torch.tanh(net.bridge.weight @ ends + net.bridge.bias), atol=1e-5)
    assert torch.equal(inside.sum(dim=1), lengths) and mixed.abs().sum() == 0
    assert torch.equal(keys, net.attention.key(states))


def test_embeddings_and_what_the_last_layer_reads_are_dropped_from_in_training() -> None:
    net: Any = network(dim=40, hidden=20, dropout=0.4)
    given: dict[str, Tensor] = {}
    net.encoder.register_forward_pre_hook(lambda _module, inputs: given.update(source=inputs[0].data))
    net.decoder.register_forward_pre_hook(lambda _module, inputs: given.update(target=inputs[0][:, :40]))
    net.head.register_forward_pre_hook(lambda _module, inputs: given.update(said=inputs[0]))
    tokens, lengths, before, _ = drawn(torch.Generator().manual_seed(0))
    for share in (0.4, 0.0):
        net.train(share > 0)(tokens, lengths, before)
        assert [float((x == 0).double().mean()) for x in given.values()] == pytest.approx([share] * 3, abs=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_does_not_matter_and_later_tokens_do_not_leak(kind: Any) -> None:
    net = network(kind)
    tokens, lengths, before, _ = drawn(torch.Generator().manual_seed(3), batch=5)
    logits = net(tokens, lengths, before)
    other = torch.where(torch.arange(6) < lengths[:, None], tokens, 7)
    assert torch.allclose(net(other, lengths, before), logits, atol=1e-5)
    longer = functional.pad(tokens, (0, 3), value=4)
    assert torch.allclose(net(longer, lengths, before), logits, atol=1e-5)
    changed = before.clone()
    changed[:, 3] = 6
    assert torch.allclose(net(tokens, lengths, changed)[:, :3], logits[:, :3], atol=1e-6)
    assert not torch.allclose(net(tokens, lengths, changed)[:, 3], logits[:, 3], atol=1e-4)


def test_it_stops_at_the_end_or_the_longest() -> None:
    net = network()
    nn.init.zeros_(net.head.weight)
    tokens, lengths, *_ = drawn(torch.Generator().manual_seed(3), batch=3)
    for favourite, expected in ((END, []), (5, [5, 5, 5, 5])):
        net.head.bias.data = functional.one_hot(torch.tensor(favourite), 8).float()
        assert net.tell(tokens, lengths, begin=BEGIN, end=END, longest=4) == [expected] * 3
    assert net.tell(tokens, lengths, begin=BEGIN, end=END, longest=0) == [[], [], []]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_to_say_it_backwards(kind: Any) -> None:
    """And says by itself what it would say with the true tokens before: decoding feeds back what was said."""
    net, generator = network(kind, dim=16, hidden=32), torch.Generator().manual_seed(1)
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
    for _ in range(300):
        tokens, lengths, before, target = drawn(generator)
        optimizer.zero_grad()
        torch.autograd.backward(functional.cross_entropy(net(tokens, lengths, before).transpose(1, 2), target))
        optimizer.step()
    net.eval()
    tokens, lengths, before, _ = drawn(generator, batch=200)
    expected = [row[:n][::-1] for row, n in zip(tokens.tolist(), lengths.tolist(), strict=True)]
    told = net.tell(tokens, lengths, begin=BEGIN, end=END, longest=8)
    assert sum(a == b for a, b in zip(told, expected, strict=True)) / 200 > 0.95
    forced = net(tokens, lengths, before).argmax(dim=2).tolist()
    for own, taught, right in zip(told, forced, expected, strict=True):
        assert (own == right) == (taught[: len(right) + 1] == [*right, END])


def test_states_of_other_widths_and_odd_ones_are_refused() -> None:
    with pytest.raises(ValueError, match="of one width, not 4 and 6"):
        SequenceAttention("dot", 4, 6)
    with pytest.raises(ValueError, match="hidden: 9 is not even"):
        network(hidden=9)
