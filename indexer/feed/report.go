package feed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"

	"sightline/store"
)

// Report writes rejected rows as a JSONL feed: corrected, it can be imported
// again. Beside the fields of the item as far as they are known (texts where a
// value could not be read) each line has
//
//	_error  what is wrong and what to change
//	_row    the row of the feed, _where the same for people
//	_raw    the row as it was, where no fields could be told apart
//
// which a JSONL feed may have and which are passed over. A Report is safe for
// concurrent use.
type Report struct {
	mu  sync.Mutex
	w   io.Writer
	err error
}

// NewReport returns a report that writes each row to w at once.
func NewReport(w io.Writer) *Report { return &Report{w: w} }

// Write adds a row that was rejected because of cause. After an error nothing
// more is written, and every call returns it.
func (p *Report) Write(r Record, cause error) error {
	line, err := reportLine(r, cause)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	if err == nil {
		_, err = p.w.Write(line)
	}
	if err != nil {
		p.err = fmt.Errorf("report of rejected rows: %w", err)
		return p.err
	}
	return nil
}

// Err returns what Write failed with, if it did.
func (p *Report) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// isReportName knows the names that a report adds. Other names with an
// underscore in front are a shop's own.
func isReportName(name string) bool {
	switch name {
	case "_error", "_row", "_where", "_raw":
		return true
	}
	return false
}

func reportLine(r Record, cause error) ([]byte, error) {
	fields := r.original.fields
	if fields == nil && r.original.text == "" {
		images := r.Images
		if len(images) == 0 && r.Image != "" {
			images = []string{r.Image}
		}
		fields = objectOf(r.Item, images)
	}
	out := make(map[string]json.RawMessage, len(fields)+4)
	maps.Copy(out, fields)
	out["_error"] = rawText(reason(cause))
	out["_row"] = json.RawMessage(fmt.Sprint(r.Row))
	if r.Where != "" {
		out["_where"] = rawText(r.Where)
	}
	if r.original.text != "" {
		out["_raw"] = rawText(r.original.text)
	}
	line, err := jsonText(out)
	if err != nil {
		return nil, fmt.Errorf("row %d: %w", r.Row, err)
	}
	return append(line, '\n'), nil
}

// jsonText is json.Marshal without \u0026 and the like: people read addresses
// in it.
func jsonText(v any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}

func reason(cause error) string {
	var fault *Fault
	switch {
	case errors.As(cause, &fault):
		return fault.Error()
	case cause != nil:
		return cause.Error()
	}
	return ""
}

// original is a row that could not be read, for the report: its fields as a
// JSONL item, or its text.
type original struct {
	fields map[string]json.RawMessage
	text   string
}

// originalLine keeps the fields of a line that is a JSON object.
func originalLine(line []byte) original {
	text := repair(line)
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &fields); err != nil || fields == nil {
		return original{text: text}
	}
	for name := range fields {
		if isReportName(name) {
			delete(fields, name)
		}
	}
	return original{fields: fields}
}

// objectOf is an item and its pictures as a line of JSONL would have them.
func objectOf(item store.Item, images []string) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	if data, err := jsonText(item); err == nil { // fails for NaN only, which no reader lets in
		_ = json.Unmarshal(data, &out) // what was just written
	}
	if len(images) > 0 {
		delete(out, "images") // which lacks those in data: URLs
		out["image"] = rawText(images[0])
	}
	if len(images) > 1 {
		if data, err := jsonText(images[1:]); err == nil {
			out[fieldImages.jsonName()] = data
		}
	}
	return out
}

func rawText(text string) json.RawMessage {
	data, _ := jsonText(text) // of a string: cannot fail
	return data
}
