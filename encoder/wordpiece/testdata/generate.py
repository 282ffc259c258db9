"""Regenerates the data that pins this package to Hugging Face's BertTokenizer.

    python testdata/generate.py [--vocabulary CORPUS_FILE...]

Needs transformers 5.23.0 and tokenizers 0.23.3 (other versions may give other
tables: read the diff before committing). Run it in encoder/wordpiece. Writes

    unicode.txt                what BertNormalizer and BertPreTokenizer do with
                               each code point (embedded by chars.go)
    testdata/words.crc         check sums over all code points, cased and uncased
    testdata/cases.json        hand-written texts with the expected ids
    testdata/random.jsonl.gz   random texts with the expected ids
    testdata/clean.json        texts with BLIP's pre_caption and pre_question
    testdata/tiny.json         texts for the tiny vocabulary testdata/tiny.txt

With --vocabulary it first trains testdata/vocab.txt on the given text files
(the committed one: `go doc -all` of 15 packages of Go's standard library); then
all expected ids change. testdata/tiny.txt stays: whole words, [DEC] and [ENC]
inside, no [MASK] and no pieces.
"""

import argparse
import gzip
import json
import pathlib
import random
import re
import shutil
import tempfile
import unicodedata
import zlib

import tokenizers
import transformers
from tokenizers import normalizers, pre_tokenizers

HERE = pathlib.Path(__file__).parent
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]

UNCASED = normalizers.BertNormalizer(True, True, None, True)
CASED = normalizers.BertNormalizer(True, True, None, False)
PRE = pre_tokenizers.BertPreTokenizer()
NFD = normalizers.NFD().normalize_str


# --- unicode.txt -----------------------------------------------------------


def combining_classes():
    """Canonical combining class of each code point as the reference's NFD
    orders it (its Unicode is older than Python's), found by probing with one
    known character per class."""
    known = {}
    for c in CODE_POINTS:
        ch, k = chr(c), unicodedata.combining(chr(c))
        if k and k not in known and NFD(ch) == ch:
            if k == 240 or NFD("\u0345" + ch) == ch + "\u0345":
                known[k] = ch
    ladder = sorted(known)
    classes = {}
    for c in CODE_POINTS:
        ch = chr(c)
        if NFD(ch) != ch:
            continue
        above = [k for k in ladder if known[k] != ch and NFD(known[k] + ch) == ch + known[k]]
        if above:
            classes[c] = max(k for k in ladder if k < above[0])
        elif ch != known[1] and NFD(ch + known[1]) == known[1] + ch:
            classes[c] = ladder[-1]
    return classes


def runs(codes):
    out = []
    for c in sorted(codes):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def span(lo, hi):
    return f"{lo:04X}" if lo == hi else f"{lo:04X}-{hi:04X}"


def classify():
    """One pass over Unicode: sets by class, and the uncased replacement."""
    classes = combining_classes()
    sets = {k: set() for k in ("drop", "space", "cjk", "punct", "mark", "block")}
    order, fold = {}, {}
    for c in CODE_POINTS:
        ch = chr(c)
        kept, folded = CASED.normalize_str(ch), UNCASED.normalize_str(ch)
        if kept == "":
            sets["drop"].add(c)
            continue
        if kept == " ":
            sets["space"].add(c)
            continue
        if kept == f" {ch} ":
            sets["cjk"].add(c)
            folded = folded[1:-1]
        elif len(PRE.pre_tokenize_str(f"a{ch}b")) == 3:
            sets["punct"].add(c)
        if folded == "":
            sets["mark" if c in classes else "block"].add(c)
        elif c in classes:
            order[c] = classes[c]
        if folded not in ("", ch) and not 0xAC00 <= c <= 0xD7A3:
            fold[c] = folded
    check(sets, order, fold)
    return sets, order, fold


def check(sets, order, fold):
    """What chars.go relies on."""
    lost = sets["drop"] | sets["space"] | sets["mark"] | sets["block"]
    for to in fold.values():
        assert not any(ord(ch) in lost for ch in to)
    assert not order.keys() & (fold.keys() | sets["punct"] | sets["cjk"])
    assert not sets["punct"] & sets["cjk"]
    assert not (sets["mark"] | sets["block"]) & (sets["punct"] | sets["cjk"])


def fold_lines(fold):
    """Runs such as A-Z -> a-z become one line; texts of several runes stay."""
    run = None
    for c, to in sorted(fold.items()):
        one = ord(to) if len(to) == 1 else None
        if run and one is not None and run[2] and c == run[1] + 1 and one == run[2] + c - run[0]:
            run[1] = c
            continue
        if run:
            yield f"fold {span(run[0], run[1])} {run[3]}"
        run = [c, c, one, " ".join(f"{ord(x):04X}" for x in to)]
    yield f"fold {span(run[0], run[1])} {run[3]}"


def write_unicode():
    sets, order, fold = classify()
    lines = [
        "# Made by testdata/generate.py from tokenizers " + tokenizers.__version__ + ". Do not edit.",
        "# Classes and replacements of code points in BertNormalizer and BertPreTokenizer;",
        "# chars.go says what each word means. Code points not named here stay as they are.",
    ]
    for name, codes in sets.items():
        lines += [f"{name} {span(lo, hi)}" for lo, hi in runs(codes)]
    for k in sorted(set(order.values())):
        lines += [f"order {span(lo, hi)} {k}" for lo, hi in runs(c for c in order if order[c] == k)]
    lines += fold_lines(fold)
    (HERE.parent / "unicode.txt").write_text("\n".join(lines) + "\n")


def words(normalizer, text):
    return [w for w, _ in PRE.pre_tokenize_str(normalizer.normalize_str(text))]


def write_checksums():
    """Per 4096 code points: CRC-32 of the words of "a<c>b <c>", one per line."""
    lines = []
    for start in range(0, 0x110000, 4096):
        sums = [0, 0]
        for c in range(start, start + 4096):
            if 0xD800 <= c < 0xE000:
                continue
            for i, normalizer in enumerate((UNCASED, CASED)):
                text = "\n".join(words(normalizer, f"a{chr(c)}b {chr(c)}")) + "\n"
                sums[i] = zlib.crc32(text.encode(), sums[i])
        lines.append(f"{start:06X} {sums[0]:08x} {sums[1]:08x}")
    (HERE / "words.crc").write_text("\n".join(lines) + "\n")


# --- vocabulary ------------------------------------------------------------

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = (
    "abcdefghijklmnopqrstuvwxyzæðøþđħıłŋœßɐʻ0123456789²³½"
    "абвгдежзиклмнопрстуфхцчшщъыьэюяі"
    "αβγδεζηθικλμνξοπρσςτυφχψω"
    "אבגדהוזחטיכלמנסעפצקרשת"
    "ابتثجحخدرزسشصضطظعغفقكلمنهوي"
    "कखगतदनपमयरलवसहािीेो"
    "กขคงจชดตนบปพมยรลวสหอา"
    "あいうえおかきくけこさしすせそたてとのはひふほまやらりるをんーアイウエオカキク"
    "\u1100\u1102\u1103\u1105\u1106\u1107\u1109\u110b\u1112\u1161\u1165\u1169\u116e\u1173\u1175\u11ab\u11af\u11bc"
    "ԱԲաբգდევზ"
)
ALONE = (
    "".join(chr(c) for c in range(0x21, 0x7F) if not chr(c).isalnum())
    + "中国人大小红色衣服日本一二三上下年車黒白鞋靴見"
    + "。、「」！？–—‘’“”•…€£©®™°→×÷👕👟❤😀"
)
SHOP = (
    "red orange yellow green blue purple pink brown black white striped dotted checked plain shirt dress trousers skirt "
    "shoe shoes boot sneaker sandal bag handbag backpack wallet jacket coat leather cotton wool silk sleeve sleeved long "
    "short men women kids summer winter running hat cap scarf glove belt watch ring necklace woman sitting beach dog "
    "picture photo cheap size medium large small with without and or of for in on the a an is not"
).split()


def train(corpus):
    from tokenizers import Tokenizer, decoders, models, trainers

    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer, t.pre_tokenizer, t.decoder = UNCASED, PRE, decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=3000, min_frequency=3, special_tokens=SPECIALS)
    t.train([str(c) for c in corpus], trainer)
    trained = sorted(t.get_vocab(), key=t.get_vocab().get)
    tokens = SPECIALS + list(ALONE) + list(LETTERS) + ["##" + c for c in LETTERS] + SHOP + ["A", "Red", "##B", "Ω", "é"] + trained
    tokens = list(dict.fromkeys(tokens))
    (HERE / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")


# --- expected ids ----------------------------------------------------------

NASTY = [
    "", " ", "\t\r\n", "red shirt", "Red SHIRT", "A woman sitting on the beach with a dog.", "long-sleeved, t-shirt!",
    "it's 50% off: $19.99 (was £29)", "don't", "...", "-", "##ing ## #", "unaffable unbelievably",
    # accents, NFD, case
    "Café crème", "cafe\u0301 cre\u0300me", "ÅNGSTRÖM \u212b", "naïve façade piñata", "İstanbul ısı I ı", "ΟΔΥΣΣΕΥΣ ΣΑΣ Σ ς σ",
    "straße STRASSE ẞ", "ǅ ǆ Ǆ", "ﬁne ﬂat ﬀ", "Ⅷ ⅷ Ⓐ ⓐ", "Ꙋꙋ Ꭰ ꭰ", "\u2126 \u212a \u00c5", "đĐ łŁ øØ ħĦ", "z\u0335\u0338algo\u0301\u0302\u0303" + "\u0304" * 40,
    "\u0301alone", " \u0301 ", "a\u0345\u0301b", "ṩ s\u0323\u0307 s\u0307\u0323", "Ǖ ǖ", "ệ", "가 한국어 \u1112\u1161\u11ab", "갂힣", "ㄱㄴ", "𝔸𝕓 𝐑𝐞𝐝",
    # kept combining marks whose order NFD changes
    "\u302e\u1b44a", "a\u302e\u1b44", "a\u302e\u034f\u1b44b", "\u1b44\u302e", "a\U0001d15e\u302e\u1b44", "\U0001d165\u1b44\U0001d16d",
    # scripts
    "中国人", "红色衣服red", "日本のシャツ", "カキク が ガ", "\uf900\ufa0e\U0002f800", "\U00020000\U0002a6df\u3007\u30fb", "привет мир Ё ё Й й", "हिन्दी नमस्ते",
    "กางเกง สีแดง", "שָׁלוֹם", "السَّلَامُ عَلَيْكُمْ", "ಕೀ ಕೆ", "ԱԲ ա Ⴀ ა Ა", "𐐀𐐨 𞤀𞤢", "\u1715 \u1734", "ⴀ Ꮿ",
    # controls, white space, invisible
    "a\0b", "a\x01\x02b", "a\tb\nc\rd", "a\x0bb\x0cc\x85d", "a\x1cb\x1fc\x7fd", "a\u00a0b\u2003c\u202fd\u3000e\u1680f\u205fg", "a\u2028b\u2029c", "a\u180eb",
    "a\u200bb\u200cc\u200dd\ufeffe\u2060f", "\u202ered\u202c", "so\u00adft", "\ufffd a\ufffdb", "\ue000\uf8ff\U000f0000\U0010fffd", "\ufdd0\uffff\U0010ffff", "\u0378\U000e0fff\U0001ffff",
    "\U000e0041\U000e007f", "\u0600\u06dd\u08e2\u0890",
    # emoji, symbols, punctuation
    "👕👟 ❤️ 😀", "👩‍👩‍👧 👍🏽 🇩🇪", "a→b × ÷ € ™", "“red” ‘shirt’ – — … •", "¿qué? ¡sí!", "a\u037eb \u1fefc \u2024", "。、「中」！？", "؟،؛", "a\u2e43b \u2e52 \U00011660 ᙭",
    "$+<=>^`|~", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "a\u2f00b", "½ ² ③ ⑩",
    # special tokens in text
    "[SEP]", "[CLS] red [SEP] shirt [PAD]", "[MASK]shirt[MASK]", "[sep] [Sep] [ SEP ]", "[S\0EP]", "[SEP", "[[SEP]]", "red[UNK]dress", "[DEC] [ENC]", "[PAD][PAD]", "[SEP\u200b]", "[unused0]", "\u0301[SEP]\u0301",
    # long words
    "a" * 100, "a" * 101, "á" * 100, "á" * 101, "e\u0301" * 100, "한" * 33, "한" * 34, "x" + "\u200b" * 200 + "y", "red" * 33 + "a", "red" * 34, "ab" * 60 + " red " + "ba" * 49,
    "中" * 101, "!" * 120, "very " * 60, "\U0001d400" * 101, "q" * 5000,
]
RAW = [b"a\xffb", b"\xc0\xaf", b"red\xe4\xb8", b"\xed\xa0\x80x", b"[SEP\xff]", b"\xf8\x88\x80\x80\x80", b"\xf4\x90\x80\x80 red", b"\x80\x80dress\xe2\x82"]


def load(vocabulary, lower=True):
    with tempfile.TemporaryDirectory() as d:
        shutil.copy(vocabulary, pathlib.Path(d) / "vocab.txt")
        return transformers.BertTokenizer.from_pretrained(d, do_lower_case=lower)


def expect(text, uncased, cased):
    ids = uncased(text)["input_ids"]
    return {
        "uncased": ids,
        "cased": cased(text)["input_ids"],
        "first12": uncased(text, truncation=True, max_length=12)["input_ids"],
        "decoded": uncased.decode(ids, skip_special_tokens=True),
    }


def write_cases(uncased, cased):
    cases = [{"text": t} | expect(t, uncased, cased) for t in NASTY]
    cases += [{"hex": b.hex()} | expect(b.decode("utf-8", "replace"), uncased, cased) for b in RAW]
    write_lines("cases.json", cases)


def write_lines(name, rows):
    lines = ",\n".join(json.dumps(r, ensure_ascii=True, separators=(",", ":")) for r in rows)
    (HERE / name).write_text(f"[\n{lines}\n]\n")


def write_tiny(tiny):
    """testdata/tiny.txt has whole words only and neither [MASK] nor ## pieces.
    BertTokenizer would give [MASK] an id behind the vocabulary; we do not, so no
    text here contains it."""
    texts = [t for t in NASTY if "[MASK]" not in t] + ["a red dotted shirt with a black bag", "A plain dress, in blue"]
    write_lines("tiny.json", [{"text": t, "uncased": tiny(t)["input_ids"]} for t in texts if len(t) < 200])


# --- random texts ----------------------------------------------------------

BLOCKS = [
    (0x20, 0x7E), (0x20, 0x7E), (0xA0, 0xFF), (0x100, 0x24F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F),
    (0x1100, 0x11FF), (0x1AB0, 0x1B7F), (0x1DC0, 0x1FFF), (0x2000, 0x206F), (0x2E00, 0x303F), (0x3040, 0x30FF), (0x4E00, 0x4E40), (0xAC00, 0xAC80), (0xF900, 0xFAFF),
    (0xFE00, 0xFFFF), (0x10400, 0x1044F), (0x11000, 0x117FF), (0x1D100, 0x1D1FF), (0x1E900, 0x1E95F), (0x1F300, 0x1F6FF), (0, 0x10FFFF), (0, 0x1F), (0xE0000, 0xE01FF),
]
MARKS = "\u302e\u302f\u1b44\ua953\U0001d165\U0001d16d\u0345\u0301\u0323\u034f\u09c7\u0cc0\u200d\ufe0f"
PHRASES = SPECIALS + SHOP + ["[sep]", "[DEC]", "##s", "...", "don't", "İ", "Σ", "ß", "ﬁ", "👩‍👧", "\r\n", "\0", "\ufffd", "ing", "unable", "naïve"]


def random_char(rng):
    while True:
        c = rng.randint(*rng.choice(BLOCKS))
        if not 0xD800 <= c < 0xE000:
            return chr(c)


def random_part(rng):
    kind = rng.random()
    if kind < 0.45:
        return rng.choice(PHRASES)
    if kind < 0.6:
        return "".join(rng.choice(LETTERS) for _ in range(rng.randint(1, 12)))
    if kind < 0.7:
        return "".join(rng.choice(MARKS) for _ in range(rng.randint(1, 5)))
    if kind < 0.72:
        return rng.choice(LETTERS) * rng.randint(95, 105)
    if kind < 0.76:
        return rng.choice(ALONE)
    return "".join(random_char(rng) for _ in range(rng.randint(1, 4)))


def write_random(uncased, cased, count=2000):
    rng = random.Random(20)
    rows = []
    for _ in range(count):
        text = "".join(random_part(rng) + rng.choice(["", " ", " ", "  "]) for _ in range(rng.randint(1, 8)))
        if rng.random() < 0.2:
            text = text.upper()
        rows.append(json.dumps([text, uncased(text)["input_ids"], cased(text)["input_ids"]], separators=(",", ":")))
    data = ("\n".join(rows) + "\n").encode()
    (HERE / "random.jsonl.gz").write_bytes(gzip.compress(data, 9, mtime=0))


# --- BLIP's cleaning -------------------------------------------------------


def pre_question(question, max_ques_words=50):
    """data/utils.py of github.com/salesforce/BLIP, same steps."""
    question = re.sub(r"([.!\"()*#:;~])", "", question.lower())
    question = question.rstrip(" ")
    words_ = question.split(" ")
    return " ".join(words_[:max_ques_words]) if len(words_) > max_ques_words else question


def pre_caption(caption, max_words=30):
    caption = re.sub(r"([.!\"()*#:;~])", " ", caption.lower())
    caption = re.sub(r"\s{2,}", " ", caption)
    caption = caption.rstrip("\n").strip(" ")
    words_ = caption.split(" ")
    return " ".join(words_[:max_words]) if len(words_) > max_words else caption


CLEAN = NASTY + [
    "A dog. Runs! \"fast\" (very) *so* #1: yes; ~ok", "trailing\n", "trailing \n", "\nleading", "\n\n x", "a\tb", "a\t\tb", "a\x1c\x1db", "a\x1cb", "a\u00a0\u3000b", "a\u00a0b",
    "  x  ", "Hi , there-you ?", ". . .", "word " * 30, "word " * 31, "Word. " * 40, "w" + " ." * 60, "a . " * 29 + "b c d", "   ".join("abcdefgh") + "...", "!?" * 30,
    "ΑΣ", "ΑΣΑ", "Σ", "Σ ΑΣ.", "ΑΣ'", "ΑΣ'Α", "Α.Σ", "Α\u0301Σ\u0301", "1Σ", "ΑΣ\u00adΑ", "ªΣ", "ΑΣ-Α", "1ʰΣ", "ΑΣˇΑ", "Α^Σ", "ΑΣ`Α", "Α\u20ddΣ", "ʰΣ ΑʰΣ", "ΑΣʰ ", "ΑΣʰΑ", "ΑʰΣʰΑ", "ΑΣ\u0640Α", "1\u0640Σ", "ΑΣΣ ΣΑΣ", "İİ", "A\x00B", "one  two   three" * 20, "x. " * 100 + "?",
]


def write_clean():
    write_lines("clean.json", [{"text": t, "caption": pre_caption(t), "question": pre_question(t)} for t in CLEAN])


def main():
    parser = argparse.ArgumentParser(description="regenerate the test data of encoder/wordpiece")
    parser.add_argument("--vocabulary", nargs="+", metavar="FILE", help="train testdata/vocab.txt on these files first")
    args = parser.parse_args()
    if args.vocabulary:
        train(args.vocabulary)
    uncased, cased = load(HERE / "vocab.txt"), load(HERE / "vocab.txt", lower=False)
    write_unicode()
    write_checksums()
    write_cases(uncased, cased)
    write_tiny(load(HERE / "tiny.txt"))
    write_random(uncased, cased)
    write_clean()


if __name__ == "__main__":
    main()
