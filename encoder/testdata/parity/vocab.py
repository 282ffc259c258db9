"""Vocabularies and texts of the parity fixtures."""

import re
import string

WORDS = """
a an the of on in with and for to at by from is are this that it its his her two three
woman man girl boy child dog cat horse bird person people sitting standing running walking holding wearing
beach sand sea water sky sun tree grass street city house room table chair sofa lamp bed window door wall
red green blue black white yellow brown pink orange grey dark light bright small large big long short new old
shoe boots shirt dress jacket coat hat bag leather cotton wool silk wood metal glass gold silver
size price sale machine wash made hand picture photo image cafe creme naive ang
""".split()

PIECES = "s es ed ing er ly less ness ish y en tion al ##strom".replace("##", "").split()


def letters():
    """Every word of lower-case ASCII letters and digits can be spelled with these."""
    chars = string.ascii_lowercase + string.digits
    return list(chars) + ["##" + c for c in chars] + list("!\"#%&'()*+,-./:;?~°")


def words():
    return WORDS + ["##" + p for p in PIECES if len(p) > 1] + letters()


def unique(tokens):
    return list(dict.fromkeys(tokens))


def plain():
    """The five specials first, as small test vocabularies usually have them."""
    return unique(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + words())


def gapped(trailing=()):
    """[unused] rows between [PAD] and the other specials, as in bert-base-uncased."""
    unused = [f"[unused{i}]" for i in range(9)]
    return unique(["[PAD]"] + unused + ["[UNK]", "[CLS]", "[SEP]", "[MASK]"] + words() + list(trailing))


def base():
    """30,522 tokens with the specials where bert-base-uncased has them: 0 and 100 to 103."""
    size = 30522
    head = ["[PAD]"] + [f"[unused{i}]" for i in range(99)] + ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    syllables = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
    pairs = [x + y for x in syllables for y in syllables]
    made = pairs + [x + y for x in pairs for y in syllables]
    tokens = unique(head + words() + ["##" + x for x in pairs] + made)[:size]
    assert len(tokens) == size and tokens[100] == "[UNK]" and tokens[103] == "[MASK]"
    return tokens


TEXTS = [
    "a red shoe",
    "A woman sitting on the beach with a dog.",
    "Woman's leather boots, size 42 (new!)",
    "café crème, naïve Ångström",
    "snow ☃ 犬 zebra " + "x" * 120 + " house",
    "T-shirt: 100% cotton; machine-wash ~30°C *sale* #1",
    # 41 words of one piece each: the 30-word limit of BLIP's cleaning bites, then the token limit.
    "the old man and the small boy are walking on the beach by the sea with a big brown dog and a white cat "
    "and a bird in the sky the sun is bright and the sand is yellow gold",
    # Long words: the token limit bites first.
    "extraordinarily waterproof hummingbird wallpaper, unbelievably lightweight",
    "",
]

BASE_TEXTS = [TEXTS[0], TEXTS[1], "the leather jacket of a girl standing at the window in a bright room with two cats"]


def clean_caption(text, max_words=30):
    """BLIP's data/utils.py pre_caption, with the word limit of its retrieval data sets."""
    text = re.sub(r"([.!\"()*#:;~])", " ", text.lower())
    text = re.sub(r"\s{2,}", " ", text).rstrip("\n").strip(" ")
    return " ".join(text.split(" ")[:max_words])
