package capfilt

import "slices"

// Reasons for which an item is flagged. Each is a doubt for a person to look at:
// nothing is done to the item.
const (
	// Mismatch: the title is not true of the picture, no part of it.
	Mismatch = "mismatch"
	// Stuffed: a part of the title is true of the picture, the rest is not.
	Stuffed = "stuffed"
	// Placeholder: many products have this picture, or it is of one colour.
	Placeholder = "placeholder"
	// Unknown: the model does not know most words of the title, and so cannot say.
	Unknown = "unknown words"
)

// Reasons lists all of them.
func Reasons() []string { return []string{Mismatch, Stuffed, Placeholder, Unknown} }

// Judged is a text with what the filter says of it and the picture.
type Judged struct {
	Text        string  `json:"text"`
	Margin      float64 `json:"margin"`      // match logit - no-match logit
	Probability float64 `json:"probability"` // of a match, calibrated where the model is
}

// Row is a line of the report: what was found about one item.
type Row struct {
	ID      string `json:"id"`
	Picture string `json:"picture,omitempty"` // key of the stored picture that was judged
	Title   string `json:"title,omitempty"`   // as it was when it was judged

	Match   *Judged  `json:"match,omitempty"`   // of the title; nil where it has no words
	Unknown int      `json:"unknown,omitempty"` // words of the title that the model does not know
	Cut     bool     `json:"cut,omitempty"`     // the title is longer than the model reads
	Core    string   `json:"core,omitempty"`    // of a stuffed title: what fits
	Doubts  []string `json:"doubts,omitempty"`  // and what does not
	Caption *Judged  `json:"caption,omitempty"` // the best of the samples
	Kept    bool     `json:"kept,omitempty"`    // the caption
	Alike   int      `json:"alike,omitempty"`   // products with this picture; counted to a bound
	Flat    bool     `json:"flat,omitempty"`    // the picture is of one colour
	Flags   []string `json:"flags,omitempty"`
	Failure *Failure `json:"failure,omitempty"` // why it could not be judged
}

// Failure is what kept an item from being judged.
type Failure struct {
	Stage  string `json:"stage"` // picture, decode
	Reason string `json:"reason"`
}

// Flagged says whether the row has that reason.
func (r Row) Flagged(reason string) bool { return slices.Contains(r.Flags, reason) }

// doubtful are the flags that say that something is wrong.
func (r Row) doubtful() bool {
	return slices.ContainsFunc(r.Flags, func(f string) bool { return f != Unknown })
}
