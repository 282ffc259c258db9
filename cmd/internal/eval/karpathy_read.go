package eval

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Captioned is a picture with the texts that describe it.
type Captioned struct {
	File     string // below the folder of the pictures, with slashes
	Captions []string
}

// Dataset is one split of a file in the form of Karpathy's splits of COCO,
// Flickr30K and Flickr8K.
type Dataset struct {
	Name   string // as the file says: "coco", "flickr30k"
	Split  string
	Images []Captioned
}

// maxDataset bounds the file (COCO's is 144 MB); maxImages the split. Test
// splits have at most 5,000 pictures; the protocol's work grows with pictures
// times texts.
const (
	maxDataset = 1 << 30
	maxImages  = 20_000
)

// ReadKarpathy reads the pictures of one split, with all their captions: BLIP
// ranks all of them too, although a few pictures have six or seven in place of
// five (data/coco_karpathy_dataset.py). Errors name the picture.
func ReadKarpathy(r io.Reader, split string) (Dataset, error) {
	return readKarpathy(&io.LimitedReader{R: r, N: maxDataset}, split)
}

func readKarpathy(r *io.LimitedReader, split string) (Dataset, error) {
	k := karpathyReader{json: json.NewDecoder(r), data: Dataset{Split: split}, splits: map[string]bool{}}
	err := k.read()
	switch {
	case err != nil && r.N <= 0:
		return Dataset{}, fmt.Errorf("the file is larger than %d MB; keep only the pictures of one split", maxDataset>>20)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Dataset{}, errors.New("the file ends early; fetch it again")
	case err != nil:
		return Dataset{}, err
	case len(k.data.Images) == 0:
		found := strings.Join(slices.Sorted(maps.Keys(k.splits)), ", ")
		return Dataset{}, fmt.Errorf("there are no pictures of split %q; the file has: %s", split, found)
	}
	return k.data, nil
}

// karpathyReader goes through the file piece by piece: only the pictures of
// the split are kept.
type karpathyReader struct {
	json   *json.Decoder
	data   Dataset
	seen   int // pictures of all splits
	splits map[string]bool
}

var errNotKarpathy = errors.New(`this is no Karpathy split file, {"images": [{"filename", "split", "sentences"}, …], "dataset": …}`)

func (k *karpathyReader) read() error {
	if err := k.delimiter('{'); err != nil {
		return err
	}
	for k.json.More() {
		key, err := k.json.Token()
		if err == nil {
			err = k.member(key)
		}
		if err != nil {
			return err
		}
	}
	if err := k.delimiter('}'); err != nil {
		return err
	}
	if _, err := k.json.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more behind the end of the JSON; fetch the file again")
	}
	return nil
}

func (k *karpathyReader) member(key json.Token) error {
	switch key {
	case "images":
		return k.images()
	case "dataset":
		if err := k.json.Decode(&k.data.Name); err != nil {
			return fmt.Errorf("dataset: %w", err)
		}
		return nil
	}
	var other json.RawMessage
	return k.json.Decode(&other)
}

func (k *karpathyReader) images() error {
	if err := k.delimiter('['); err != nil {
		return err
	}
	for k.json.More() {
		k.seen++
		if err := k.image(); err != nil {
			return fmt.Errorf("picture %d: %w", k.seen, err)
		}
		if len(k.data.Images) > maxImages {
			return fmt.Errorf("split %q has more than %d pictures; choose a smaller one, such as test or val", k.data.Split, maxImages)
		}
	}
	return k.delimiter(']')
}

func (k *karpathyReader) image() error {
	var raw struct {
		Folder    string `json:"filepath"` // COCO alone has it: train2014 or val2014
		File      string `json:"filename"`
		Split     string `json:"split"`
		Sentences []struct {
			Raw string `json:"raw"`
		} `json:"sentences"`
	}
	if err := k.json.Decode(&raw); err != nil {
		return err
	}
	k.splits[raw.Split] = true
	if raw.Split != k.data.Split {
		return nil
	}
	c := Captioned{File: path.Join(raw.Folder, raw.File)}
	for _, s := range raw.Sentences {
		c.Captions = append(c.Captions, s.Raw)
	}
	k.data.Images = append(k.data.Images, c)
	return c.check(raw.File)
}

func (c Captioned) check(name string) error {
	switch {
	case name == "":
		return errors.New(`it needs a "filename"`)
	case !filepath.IsLocal(filepath.FromSlash(c.File)):
		return fmt.Errorf("file %q is outside the folder of the pictures; correct its path", c.File)
	case len(c.Captions) == 0 || slices.ContainsFunc(c.Captions, blank):
		return fmt.Errorf(`%s needs "sentences", each with its text in "raw"`, c.File)
	}
	return nil
}

func blank(text string) bool { return strings.TrimSpace(text) == "" }

func (k *karpathyReader) delimiter(want json.Delim) error {
	t, err := k.json.Token()
	if err != nil {
		return err
	}
	if t != want {
		return errNotKarpathy
	}
	return nil
}
