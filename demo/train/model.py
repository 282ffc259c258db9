"""The training form of a small BLIP.

Its parameters carry the names of transformers' BlipForImageTextRetrieval, so
that export is a copy (export.py) and parity.py can compare the two classes.
It exists because training on CPU cores wants a different order of work: keys
and values of a picture are computed once for all its texts, all texts of a
picture form one query block, and attention is written out (PyTorch's fused
attention is several times slower backward in bfloat16 on a CPU).
"""

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import nn

HEAD = 64  # width of an attention head in every BLIP; readers of checkpoints rely on it
PAD, CLS, SEP, DEC, ENC = 0, 2, 3, 4, 5  # the vocabulary starts [PAD] [UNK] [CLS] [SEP] [DEC] [ENC]
MASKED = -1e4  # BERT's additive mask; exp of it is 0 in float32


@dataclass(frozen=True)
class Shape:
    """Sizes of the model; what is not here is BLIP's own choice."""

    vocabulary: int
    size: int = 96  # side of the square picture in pixels
    patch: int = 12
    vision_width: int = 192
    vision_layers: int = 5
    text_width: int = 192
    text_layers: int = 3
    embedding: int = 64  # dimension of the ITC space
    positions: int = 32  # longest text in tokens, specials included
    # Numbers of types, colours, patterns, sizes, and colours of two parts, for the loss that says what stands where.
    attributes: tuple = (48, 12, 6, 3, 12, 12)

    def __post_init__(self):
        for name, width in (("vision", self.vision_width), ("text", self.text_width)):
            if width % HEAD:
                raise ValueError(f"{name} width {width} is no multiple of the head width {HEAD}")
        if self.size % self.patch:
            raise ValueError(f"picture side {self.size} is no multiple of the patch side {self.patch}")

    @property
    def grid(self) -> int:
        return self.size // self.patch

    def dict(self) -> dict:
        return asdict(self)


def attend(q, k, v, mask=None):
    """Softmax attention over [..., tokens, HEAD]; mask is added to the scores."""
    scores = (q * HEAD**-0.5) @ k.transpose(-1, -2)
    if mask is not None:
        scores = scores + mask
    return scores.softmax(-1).to(v.dtype) @ v


def heads(x):
    """[batch, tokens, width] -> [batch, heads, tokens, HEAD]."""
    return x.unflatten(-1, (-1, HEAD)).transpose(1, 2)


def unheads(x):
    """[batch, heads, tokens, HEAD] -> [batch, tokens, width]."""
    return x.transpose(1, 2).flatten(2)


class VisionAttention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)

    def forward(self, x):
        q, k, v = (heads(part) for part in self.qkv(x).chunk(3, -1))
        return self.projection(unheads(attend(q, k, v)))


class VisionMLP(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class VisionLayer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.self_attn = VisionAttention(width)
        self.layer_norm1 = nn.LayerNorm(width, 1e-5)
        self.mlp = VisionMLP(width)
        self.layer_norm2 = nn.LayerNorm(width, 1e-5)

    def forward(self, x):
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


def sinusoid_grid(grid: int, width: int) -> torch.Tensor:
    """[grid*grid, width] two-dimensional sinusoids, row-major, half for x and half for y.

    Left and right have to be told apart from the first step on. Embeddings
    that start as small noise (0.02, against about 0.3 for a patch) left the
    horizontal direction at chance in the feasibility study.
    """
    bands = width // 4
    frequency = math.pi * torch.logspace(math.log2(0.5), math.log2(grid / 2), bands, base=2)
    at = (torch.arange(grid) + 0.5) / grid
    wave = at[:, None] * frequency
    wave = torch.cat([wave.sin(), wave.cos()], 1)  # [grid, width/2]
    across = wave[None].expand(grid, grid, -1)
    return torch.cat([across, across.transpose(0, 1)], -1).reshape(grid * grid, width)


class VisionEmbeddings(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        width = shape.vision_width
        self.class_embedding = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.patch_embedding = nn.Conv2d(3, width, shape.patch, shape.patch)
        grid = 0.25 * sinusoid_grid(shape.grid, width)
        self.position_embedding = nn.Parameter(torch.cat([torch.zeros(1, width), grid])[None])

    def forward(self, pixels):
        conv = self.patch_embedding
        patch = conv.kernel_size[0]
        # A matrix product: the convolution kernels for CPU are slower at stride = kernel.
        x = F.pixel_unshuffle(pixels, patch).flatten(2).transpose(1, 2)
        x = F.linear(x, conv.weight.flatten(1), conv.bias)
        cls = self.class_embedding.to(x.dtype).expand(len(x), -1, -1)
        return torch.cat([cls, x], 1) + self.position_embedding.to(x.dtype)


class Layers(nn.Module):
    """A list of layers under the name the checkpoint uses."""

    def __init__(self, name, layers):
        super().__init__()
        setattr(self, name, nn.ModuleList(layers))


class VisionModel(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        width = shape.vision_width
        self.embeddings = VisionEmbeddings(shape)
        self.encoder = Layers("layers", [VisionLayer(width) for _ in range(shape.vision_layers)])
        self.post_layernorm = nn.LayerNorm(width, 1e-5)

    def forward(self, pixels):
        x = self.embeddings(pixels)
        for layer in self.encoder.layers:
            x = layer(x)
        return self.post_layernorm(x)


class Projections(nn.Module):
    def __init__(self, width, source):
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(source, width)
        self.value = nn.Linear(source, width)


class Output(nn.Module):
    """Dense, add, post-norm."""

    def __init__(self, inner, width):
        super().__init__()
        self.dense = nn.Linear(inner, width)
        self.LayerNorm = nn.LayerNorm(width, 1e-12)

    def forward(self, x, residual):
        return self.LayerNorm(self.dense(x) + residual)


class TextAttention(nn.Module):
    """Self-attention (source is the text) or cross-attention (source is a picture)."""

    def __init__(self, width, source):
        super().__init__()
        self.self = Projections(width, source)
        self.output = Output(width, width)

    def keys(self, states):
        """Keys and values of states, [batch, heads, tokens, HEAD] each."""
        return heads(self.self.key(states)), heads(self.self.value(states))

    def forward(self, x, mask):
        k, v = self.keys(x)
        return self.output(unheads(attend(heads(self.self.query(x)), k, v, mask)), x)

    def cross(self, x, reading):
        """Lets rows of x read pictures.

        reading is [(g, k, v), ...]: the next g*pictures rows of x, ordered by
        round first and picture second, read the pictures whose keys are k.
        The g texts of a picture become one block of queries.
        """
        q, at, out = heads(self.self.query(x)), 0, []
        for g, k, v in reading:
            pictures = len(k)
            block = q[at : at + g * pictures].unflatten(0, (g, pictures))
            block = block.permute(1, 2, 0, 3, 4).flatten(2, 3)  # [pictures, heads, g*tokens, HEAD]
            y = attend(block, k, v).unflatten(2, (g, x.shape[1]))
            out.append(unheads(y.permute(2, 0, 1, 3, 4).flatten(0, 1)))
            at += g * pictures
        return self.output(torch.cat(out), x)


class Intermediate(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.dense = nn.Linear(width, 4 * width)


class TextLayer(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        width = shape.text_width
        self.attention = TextAttention(width, width)
        self.crossattention = TextAttention(width, shape.vision_width)
        self.intermediate = Intermediate(width)
        self.output = Output(4 * width, width)

    def forward(self, x, mask, reading, attention):
        x = attention(x, mask)
        if reading is not None:
            x = self.crossattention.cross(x, reading)
        return self.output(F.gelu(self.intermediate.dense(x)), x)


class TextEmbeddings(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        width = shape.text_width
        self.word_embeddings = nn.Embedding(shape.vocabulary, width)
        self.position_embeddings = nn.Embedding(shape.positions, width)
        self.LayerNorm = nn.LayerNorm(width, 1e-12)

    def forward(self, ids):
        return self.LayerNorm(self.word_embeddings(ids) + self.position_embeddings.weight[: ids.shape[1]])


class TextEncoder(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.embeddings = TextEmbeddings(shape)
        self.encoder = Layers("layer", [TextLayer(shape) for _ in range(shape.text_layers)])


class Decoder(nn.Module):
    """What the caption decoder does not share with the text encoder."""

    def __init__(self, shape: Shape):
        super().__init__()
        width = shape.text_width
        self.attention = nn.ModuleList([TextAttention(width, width) for _ in range(shape.text_layers)])
        self.dense = nn.Linear(width, width)
        self.LayerNorm = nn.LayerNorm(width, 1e-12)
        self.bias = nn.Parameter(torch.zeros(shape.vocabulary))


class Blip(nn.Module):
    """Image encoder, text encoder, image-grounded encoder and decoder."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.vision_model = VisionModel(shape)
        self.text_encoder = TextEncoder(shape)
        self.vision_proj = nn.Linear(shape.vision_width, shape.embedding)
        self.text_proj = nn.Linear(shape.text_width, shape.embedding)
        self.itm_head = nn.Linear(shape.text_width, 2)
        self.decoder = Decoder(shape)
        self.ground = nn.Linear(shape.vision_width, sum(shape.attributes) + 2)  # and a centre; training only
        self.log_temperature = nn.Parameter(torch.tensor(math.log(0.07)))
        self.apply(initialise)

    def image(self, pixels):
        """[pictures, 3, size, size] -> patch states and unit embeddings."""
        states = self.vision_model(pixels)
        return states, F.normalize(self.vision_proj(states[:, 0]).float(), dim=-1)

    def keys(self, states):
        """Cross-attention keys and values of pictures, one pair a layer."""
        return [layer.crossattention.keys(states) for layer in self.text_encoder.encoder.layer]

    def text(self, ids):
        """[texts, tokens] -> unit embeddings."""
        return F.normalize(self.text_proj(self._encode(ids, None)[:, 0]).float(), dim=-1)

    def match(self, ids, keys, rounds=1, others=None):
        """ITM logits [rows, 2]; token 0 of every row becomes [ENC].

        Rows are rounds*pictures texts for the pictures of keys, by round; with
        others (indices of pictures), len(others) more rows that read those.
        """
        readings = []
        for k, v in keys:
            reading = [(rounds, k, v)] if rounds else []
            if others is not None:
                reading.append((1, k.index_select(0, others), v.index_select(0, others)))
            readings.append(reading)
        return self.itm_head(self._encode(begin(ids, ENC), readings)[:, 0])

    def caption(self, ids, keys):
        """Next-token logits [texts, tokens, vocabulary], text i reading picture i; token 0 becomes [DEC]."""
        x = self._encode(begin(ids, DEC), [[(1, k, v)] for k, v in keys], decode=True)
        d = self.decoder
        x = d.LayerNorm(F.gelu(d.dense(x)))
        return F.linear(x, self.text_encoder.embeddings.word_embeddings.weight, d.bias)

    def _encode(self, ids, readings, decode=False):
        x = self.text_encoder.embeddings(ids)
        mask = causal_mask(ids) if decode else padding_mask(ids)
        mask = mask.to(torch.get_autocast_dtype(ids.device.type)) if autocast_on(ids) else mask
        for i, layer in enumerate(self.text_encoder.encoder.layer):
            attention = self.decoder.attention[i] if decode else layer.attention
            x = layer(x, mask, readings and readings[i], attention)
        return x


def autocast_on(x) -> bool:
    return torch.is_autocast_enabled(x.device.type)


def begin(ids, first: int):
    """ids with token 0 replaced."""
    return torch.cat([torch.full_like(ids[:, :1], first), ids[:, 1:]], 1)


def padding_mask(ids):
    return ((ids == PAD) * MASKED)[:, None, None, :]


def causal_mask(ids):
    """Padding follows the text, so the causal mask hides it from every token that counts."""
    n = ids.shape[1]
    return torch.full((1, 1, n, n), MASKED, device=ids.device).triu(1)


def initialise(module: nn.Module):
    """Wider than BERT's 0.02, which is tuned for width 768: 0.7/sqrt(fan-in) keeps the signal at these widths."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.7 / math.sqrt(module.in_features))
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.trunc_normal_(module.weight, std=0.05)
