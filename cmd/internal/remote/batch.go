package remote

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"sightline/encoder/picture"
	"sightline/indexer"
	"sightline/indexer/feed"
)

// batch is the rows of one request.
type batch struct {
	rows []indexer.Record // by line
	byID map[string]int
	body bytes.Buffer
}

func (b *batch) add(record indexer.Record, line []byte) {
	if b.byID == nil {
		b.byID = map[string]int{}
	}
	record.Image, record.Images = "", nil // may hold pictures, which the body has
	b.byID[record.Item.ID] = len(b.rows)
	b.rows = append(b.rows, record)
	b.body.Write(line)
	b.body.WriteByte('\n')
}

func (b *batch) reset() {
	b.rows = b.rows[:0]
	clear(b.byID)
	b.body.Reset()
	if b.body.Cap() > 2*batchBytes { // of one row with many pictures
		b.body = bytes.Buffer{}
	}
}

// at is the row of a line, counted from 1.
func (b *batch) at(line int) (indexer.Record, bool) {
	if line < 1 || line > len(b.rows) {
		return indexer.Record{}, false
	}
	return b.rows[line-1], true
}

func (b *batch) of(id string) (indexer.Record, bool) {
	i, ok := b.byID[id]
	if !ok {
		return indexer.Record{}, false
	}
	return b.rows[i], true
}

// maxLine is the longest line that the server takes.
const maxLine = 10 << 20

// encode makes a line of a batch: the item, with addresses of pictures as they
// are and files as data: URLs.
func encode(record indexer.Record) ([]byte, *indexer.Fault) {
	if err := record.Item.Validate(); err != nil {
		return nil, &indexer.Fault{Stage: indexer.StageFeed, Err: err}
	}
	var images []string
	for _, image := range record.Images {
		text, err := sendable(record.Root, image)
		if err != nil {
			return nil, &indexer.Fault{Stage: indexer.StageFetch, Err: err}
		}
		images = append(images, text)
	}
	item := record.Item
	item.Image, item.Images = "", nil
	if len(images) > 0 {
		item.Image, item.Images = images[0], images[1:]
	}
	line, err := json.Marshal(item)
	if err == nil && len(line) >= maxLine {
		err = fmt.Errorf("its pictures are %d MB together, more than the server takes at once; give addresses, or import where the catalogue lies", len(line)>>20)
	}
	if err != nil {
		return nil, &indexer.Fault{Stage: indexer.StageFetch, Err: err}
	}
	return line, nil
}

func sendable(root, image string) (string, error) {
	if feed.IsAddress(image) || feed.IsData(image) {
		return image, nil
	}
	data, err := indexer.ReadPicture(root, image, picture.DefaultLimits().Bytes)
	if err != nil {
		return "", err
	}
	return "data:application/octet-stream;base64," + base64.StdEncoding.EncodeToString(data), nil
}
