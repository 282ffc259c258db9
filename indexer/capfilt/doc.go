// Package capfilt goes through a catalogue as BLIP's CapFilt went through the web:
// a captioner writes about each picture, and a filter, the ITM head of the
// retrieval model, says which texts are true of it: those that the captioner wrote,
// and the shop's titles. Run judges, Report keeps what was found, Apply writes kept
// captions into the catalogue. docs/capfilt.md has what the judgements are worth.
package capfilt
