package feed

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sightline/store"
)

// builder makes an item of the values under the columns of one row. It is
// used again for the next.
type builder struct {
	currency string // of prices that name none
	got      [fieldCount]value
	images   []string
	extra    []value // attributes, in order
	wrong    []string
}

type value struct {
	column
	text string
}

func (b *builder) reset() {
	clear(b.got[:])
	clear(b.extra)
	b.images, b.extra, b.wrong = nil, b.extra[:0], nil
}

func (b *builder) wrongf(format string, args ...any) {
	b.wrong = append(b.wrong, fmt.Sprintf(format, args...))
}

// add takes a value; empty ones count as absent. Of two names for a field the
// one of the lower rank stays.
func (b *builder) add(c column, text string) {
	text = strings.TrimSpace(text)
	switch old := &b.got[c.field]; {
	case text == "" || c.field == ignored:
	case c.field == attribute:
		b.extra = append(b.extra, value{c, text})
	case c.field == fieldImages:
		b.images = append(b.images, splitImages(text)...)
	case old.text == "":
		*old = value{c, text}
	case c.rank < old.rank:
		beaten := *old
		*old = value{c, text}
		b.addBeaten(beaten)
	default:
		b.addBeaten(value{c, text})
	}
}

// addBeaten keeps a value that another name's was preferred to where it says
// something else: the SKU beside the id, Google's category beside the shop's.
func (b *builder) addBeaten(v value) {
	switch v.field {
	case fieldImage:
		b.images = append(b.images, splitImages(v.text)...)
	case fieldID, fieldCategory, fieldBrand, fieldGroup:
		winner := b.got[v.field]
		if v.rank < lastResort && v.name != "" && v.name != v.field.jsonName() && squeeze(winner.name) != squeeze(v.name) {
			b.extra = append(b.extra, value{column{name: v.name}, v.text})
		}
	}
}

// finish makes the item, its pictures, and a *Fault that names everything
// wrong with it.
func (b *builder) finish() (store.Item, []string, error) {
	item := store.Item{
		ID: b.got[fieldID].text, Title: plainText(b.got[fieldTitle].text), Description: plainText(b.got[fieldDescription].text),
		URL: b.got[fieldURL].text, Currency: strings.ToUpper(b.got[fieldCurrency].text),
		Availability: availability(b.got[fieldAvailability].text), Brand: unescape(b.got[fieldBrand].text),
		Category: unescape(b.got[fieldCategory].text), Color: unescape(b.got[fieldColor].text), GroupID: b.got[fieldGroup].text,
	}
	b.price(&item)
	b.times(&item)
	for _, v := range b.extra {
		b.attribute(&item, v)
	}
	var images []string
	if main := b.got[fieldImage].text; main != "" {
		images = splitImages(main)
	}
	images = append(images, b.images...)
	if len(b.wrong) > 0 {
		return item, images, faultf("%s", strings.Join(b.wrong, "; "))
	}
	return item, images, nil
}

func (b *builder) price(item *store.Item) {
	given := b.got[fieldPrice].text
	if given == "" {
		return
	}
	price, currency, err := parsePrice(given)
	if err != nil {
		b.wrongf("the price %s", err)
		return
	}
	item.Price = &price
	switch {
	case currency != "":
		item.Currency = currency
	case item.Currency == "":
		item.Currency = b.currency
	}
}

func (b *builder) times(item *store.Item) {
	if given := b.got[fieldVersion].text; given != "" {
		v, err := strconv.ParseInt(given, 10, 64)
		if err != nil {
			b.wrongf("the version %q is not a whole number", shorten(given, 40))
		}
		item.Version = v
	}
	if given := b.got[fieldUpdated].text; given != "" {
		t, err := parseTime(given)
		if err != nil {
			b.wrongf("%s", err)
		}
		item.UpdatedAt = t
	}
}

// parseTime takes what shops export. A time without a zone is taken as UTC.
func parseTime(given string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly, time.RFC1123Z, time.RFC1123} {
		if t, err := time.Parse(layout, given); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("the time %q cannot be read; write it as 2026-01-31T12:00:00Z", shorten(given, 40))
}

// attribute gives the item an attribute. One that comes again is a list.
func (b *builder) attribute(item *store.Item, v value) {
	if item.Attributes == nil {
		item.Attributes = make(map[string]any, len(b.extra))
	}
	switch v.kind {
	case number, amount:
		n, err := parseAmount(v)
		if err != nil {
			b.wrongf("%s %s", v.name, err)
			return
		}
		item.Attributes[v.name] = n
	case truth:
		is, ok := parseBool(v.text)
		if !ok {
			b.wrongf("%s is %q; write true or false", v.name, shorten(v.text, 40))
			return
		}
		item.Attributes[v.name] = is
	case list:
		item.Attributes[v.name] = append(asList(item.Attributes[v.name]), splitList(v.text)...)
	case entry:
		item.Attributes[v.name] = append(asList(item.Attributes[v.name]), unescape(v.text))
	case text:
		again, known := item.Attributes[v.name]
		switch {
		case !known:
			item.Attributes[v.name] = unescape(v.text)
		default:
			item.Attributes[v.name] = append(asList(again), unescape(v.text))
		}
	}
}

func parseAmount(v value) (float64, error) {
	if v.kind == amount {
		n, _, err := parsePrice(v.text)
		return n, err
	}
	return parseNumber(v.text)
}

func asList(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []string:
		return v
	}
	return nil
}

func parseBool(text string) (is, ok bool) {
	switch strings.ToLower(text) {
	case "true", "yes", "1", "y":
		return true, true
	case "false", "no", "0", "n":
		return false, true
	}
	return false, false
}

// splitList cuts at bars where there are any, else at commas.
func splitList(text string) []string {
	sign := ","
	if strings.Contains(text, "|") {
		sign = "|"
	}
	var out []string
	for part := range strings.SplitSeq(text, sign) {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, unescape(part))
		}
	}
	return out
}

// splitImages cuts a cell of several pictures at commas, bars and line ends. A
// comma may also be a part of an address or of a data: URL.
func splitImages(text string) []string {
	if !strings.ContainsAny(text, ",|\n") {
		return []string{text}
	}
	var out []string
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '|' || r == '\n' }) {
		first := len(out)
		for part := range strings.SplitSeq(line, ",") {
			last := len(out) - 1
			if last >= first && continues(out[last], part) {
				out[last] += "," + part
				continue
			}
			out = append(out, part)
		}
	}
	for i := range out {
		out[i] = strings.TrimSpace(out[i])
	}
	return slices.DeleteFunc(out, func(s string) bool { return s == "" })
}

func continues(before, part string) bool {
	before, part = strings.TrimSpace(before), strings.TrimSpace(part)
	switch {
	case IsData(before):
		return !strings.Contains(before, ",")
	case IsAddress(before):
		return !IsAddress(part) && !IsData(part)
	}
	return false
}

// fields is the row as a JSONL item for the report: texts where a value could
// not be read.
func (b *builder) fields(item store.Item, images []string) map[string]json.RawMessage {
	out := objectOf(item, images)
	for _, v := range b.got {
		if name := v.field.jsonName(); v.text != "" && name != "" && out[name] == nil {
			out[name] = rawText(v.text)
		}
	}
	for _, v := range b.extra {
		if out[v.name] == nil && item.Attributes[v.name] == nil {
			out[v.name] = rawText(v.text)
		}
	}
	return out
}
