// Package wordpiece is BERT's tokenizer in the form BLIP uses it: one text to
// token ids [CLS] … [SEP], and back.
//
// Ids equal those of Hugging Face's BertTokenizer (transformers 5.23.0,
// tokenizers 0.23.3), cased and uncased. The tests compare all code points and
// some 2,000 texts made to break tokenizers. Four things differ, on purpose:
//
//   - [MASK] in a text is a special token only where the vocabulary has it;
//     BertTokenizer would invent an id that the model has no embedding for.
//   - [DEC] and [ENC] in a text are ordinary words, as for BertTokenizer, even
//     where they are entries of the vocabulary or added tokens; so is every
//     added token other than [PAD], [UNK], [CLS], [SEP] and [MASK].
//   - Decode leaves out [DEC] and [ENC] too.
//   - Bytes that are not UTF-8 are dropped; BertTokenizer takes no such text.
//     Decoding with errors="replace" first gives the same ids.
package wordpiece
