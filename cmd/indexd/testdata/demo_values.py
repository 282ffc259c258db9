"""Values of the demo model by transformers, for cmd/indexd/published.go.

    python cmd/indexd/testdata/demo_values.py      (torch, transformers, pillow)
"""
import pathlib

import torch
from PIL import Image
from transformers import BertTokenizer, BlipForImageTextRetrieval, BlipImageProcessor

root = pathlib.Path(__file__).parents[3]
model_dir = root / "demo/model/retrieval"
text = "white trousers with brown belt"

model = BlipForImageTextRetrieval.from_pretrained(model_dir, dtype=torch.float32).eval()
tokenizer = BertTokenizer.from_pretrained(model_dir)
image = Image.open(root / "demo/samples/pictures/p0194.png").convert("RGB")
pixels = BlipImageProcessor.from_pretrained(model_dir)(image, return_tensors="pt").pixel_values
tokens = tokenizer(text, return_tensors="pt")
ids, mask = tokens.input_ids, tokens.attention_mask
vocabulary = len((model_dir / "vocab.txt").read_text().split("\n")) - 1
enc = tokenizer.vocab.get("[ENC]", vocabulary + 1)
print("ids", ids.tolist(), "enc", enc, "heads", model.config.vision_config.num_attention_heads, "eps", model.config.vision_config.layer_norm_eps)
with torch.no_grad():
    cosine = model(input_ids=ids, attention_mask=mask, pixel_values=pixels, use_itm_head=False)[0]
    print("cosine %.6f" % cosine.item())
    for name, first in (("enc", enc), ("cls", ids[0, 0].item())):
        ids[0, 0] = first
        logits = model(input_ids=ids, attention_mask=mask, pixel_values=pixels)[0]
        print("%s logits %s probability %.6f" % (name, logits.tolist(), logits.softmax(-1)[0, 1].item()))
