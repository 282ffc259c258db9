package feed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"sightline/store"
)

// readJSONL reads one item a line. Blank lines are passed over; every other
// line that is no item becomes a *Fault with its number.
func readJSONL(s *sink) {
	in := &lineReader{r: s.in.r}
	for {
		line, err := in.next()
		if errors.Is(err, io.EOF) {
			return
		}
		record := s.record(in.row, fmt.Sprintf("line %d", in.row), in.at)
		switch {
		case errors.Is(err, errLong):
			err = faultf("is longer than %d MB; give the picture as a file beside the feed instead of a data: URL", maxRow>>20)
		case err != nil:
			s.end(record, fmt.Errorf("at line %d: %w", in.row, err))
			return
		case len(bytes.TrimSpace(line)) == 0:
			continue
		default:
			record, err = parseLine(record, bytes.TrimRight(line, "\r\n"), s.in.fields)
		}
		if !s.emit(record, err) {
			return
		}
	}
}

func parseLine(record Record, line []byte, names mapping) (Record, error) {
	var err error
	if record.Item, err = parseItem(line, names); err != nil {
		record.original = originalLine(line)
		return record, err
	}
	main := record.Item.Image
	record.setImages(append([]string{main}, takeImages(&record.Item)...))
	return record, nil
}

// parseItem reads one JSON object.
func parseItem(data []byte, names mapping) (store.Item, error) {
	var item store.Item
	if !utf8.Valid(data) { // encoding/json would put U+FFFD in silently
		return item, faultf("is not UTF-8 text at byte %d; save the feed as UTF-8, or give its encoding", badByte(string(data)))
	}
	if first := bytes.TrimSpace(data); len(first) == 0 || first[0] != '{' {
		return item, faultf("is not a JSON object; a feed has one item a line: {\"id\": …, \"image\": …}")
	}
	data, err := names.rename(data)
	if err == nil {
		err = json.Unmarshal(data, &item)
	}
	if err != nil {
		var wrong *store.ItemError
		if errors.As(err, &wrong) {
			item.ID = wrong.ID
		}
		return item, faultf("cannot be read as an item: %w", err)
	}
	for name := range item.Attributes {
		if isReportName(name) {
			delete(item.Attributes, name)
		}
	}
	item.Attributes = orNil(item.Attributes)
	return item, nil
}

func orNil(attributes map[string]any) map[string]any {
	if len(attributes) == 0 {
		return nil
	}
	return attributes
}

// rename gives top-level names the meaning that Options.Map says. A type there
// changes nothing, since JSON has types.
func (m mapping) rename(data []byte) ([]byte, error) {
	if len(m) == 0 {
		return data, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	renamed := map[string]json.RawMessage{}
	for name, raw := range fields {
		if c, ok := m[squeeze(name)]; ok {
			name = c.jsonName()
		}
		if name == "" {
			continue
		}
		if _, twice := renamed[name]; twice {
			return nil, fmt.Errorf("%q is given twice, under its own name and by the map", name)
		}
		renamed[name] = raw
	}
	return json.Marshal(renamed)
}

// takeImages moves further pictures out of the item, and out of its attributes,
// where store.Item puts what it has no field for.
func takeImages(item *store.Item) []string {
	var images []string
	for _, image := range item.Images {
		images = append(images, splitImages(image)...)
	}
	item.Images = nil
	for _, name := range []string{"additional_image_link", "additional_image_links", "additional_images"} {
		switch value := item.Attributes[name].(type) {
		case string:
			images = append(images, splitImages(value)...)
		case []string:
			images = append(images, value...)
		default:
			continue
		}
		delete(item.Attributes, name)
	}
	item.Attributes = orNil(item.Attributes)
	for i := range images {
		images[i] = strings.TrimSpace(images[i])
	}
	return images
}
