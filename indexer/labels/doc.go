// Package labels says by ITM which of a list of labels are true of pictures, with a
// threshold for each label, and keeps that as an attribute of items. A Set is the
// list, a Scorer judges pictures by it, Run goes through a catalogue, and Calibrate
// finds thresholds from pictures that people have labelled. docs/labels.md has what
// labels are worth, and what they are not.
package labels
