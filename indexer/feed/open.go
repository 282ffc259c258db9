package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Open returns the feed at source: a file, a folder of pictures, an http(s)
// address, or "-" for Options.Stdin. An error is one of usage. The source is
// opened when the feed is read, and ctx ends the reading of an address.
func Open(ctx context.Context, source string, o Options) (Feed, error) {
	if err := o.Check(); err != nil {
		return nil, fmt.Errorf("open feed: %w", err)
	}
	o = o.withDefaults()
	var feed Feed
	var err error
	switch {
	case source == "-":
		feed, err = openStdin(o)
	case IsAddress(source):
		feed, err = openAddress(ctx, source, o)
	default:
		feed, err = openPath(source, o)
	}
	if err != nil {
		return nil, fmt.Errorf("open feed: %w", err)
	}
	return feed, nil
}

// Read reads a feed of any format but a folder from r, which cannot be
// interrupted. Paths of pictures are relative to Options.Root and may not
// leave it.
func Read(r io.Reader, o Options) Feed {
	return func(yield func(Record, error) bool) {
		err := o.Check()
		if err == nil && o.Format == Pictures {
			err = errors.New("a folder of pictures cannot be read from a stream")
		}
		if err != nil {
			yield(Record{}, fmt.Errorf("read feed: %w", err))
			return
		}
		read(source{Reader: r}, o.withDefaults(), yield)
	}
}

func openStdin(o Options) (Feed, error) {
	switch {
	case o.Stdin == nil:
		return nil, errors.New("there is no standard input to read; give a file")
	case o.Format == Pictures:
		return nil, errors.New("a folder of pictures cannot come from standard input; give its path")
	}
	o.Root = "."
	return func(yield func(Record, error) bool) { read(source{Reader: o.Stdin}, o, yield) }, nil
}

func openAddress(ctx context.Context, address string, o Options) (Feed, error) {
	base, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the address cannot be read: %w", err)
	case o.Opener == nil:
		return nil, fmt.Errorf("%s: feeds are not fetched from addresses here; download it and give the file", base.Redacted())
	case o.Format == Pictures:
		return nil, fmt.Errorf("%s: a folder of pictures cannot be an address; give a feed that names the pictures", base.Redacted())
	}
	o.base, o.Root = base, ""
	return func(yield func(Record, error) bool) {
		body, size, err := o.Opener.Open(ctx, address)
		if err != nil {
			yield(Record{}, fmt.Errorf("open feed %s: %w", base.Redacted(), err))
			return
		}
		defer body.Close()
		read(source{Reader: body, size: max(size, 0), name: base.Path}, o, yield)
	}, nil
}

func openPath(path string, o Options) (Feed, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir() && (o.Format == Auto || o.Format == Pictures):
		return Folder(path), nil
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder; give a %s file, or --format folder", path, o.Format)
	case o.Format == Pictures:
		return nil, fmt.Errorf("%s is a file; give a folder of pictures, or the format of the file", path)
	}
	if info.Mode().IsRegular() {
		if err := probe(path, o); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	o.Root = filepath.Dir(path)
	return func(yield func(Record, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(Record{}, fmt.Errorf("open feed: %w", err))
			return
		}
		defer f.Close()
		s := source{Reader: f, name: path}
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			s.size = info.Size()
		}
		read(s, o, yield)
	}, nil
}

// probe finds out what cannot be read at all, so that people need not wait for
// a model to be loaded first.
func probe(path string, o Options) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	o.Log = slog.New(slog.DiscardHandler)
	in, err := newInput(source{Reader: f, name: path}, o)
	if err != nil {
		return err
	}
	defer in.close()
	if in.fields, err = newMapping(o.Map); err != nil || in.format == JSONL || in.format == GoogleXML {
		return err
	}
	t, err := openTable(&sink{in: in, o: o})
	switch {
	case err != nil:
	case in.format == ShopifyCSV:
		_, err = t.shopify()
	default:
		_, err = t.columns()
	}
	return err
}

// source is where a feed's bytes come from.
type source struct {
	io.Reader
	size int64  // 0 when not known
	name string // a path, for its extension
}

func (s source) isJSONLName() bool {
	name := strings.TrimSuffix(strings.ToLower(s.name), ".gz")
	return strings.HasSuffix(name, ".jsonl") || strings.HasSuffix(name, ".ndjson")
}

// read finds out what the feed is and hands it to the reader of its format.
func read(s source, o Options, yield func(Record, error) bool) {
	in, err := newInput(s, o)
	if err != nil {
		yield(Record{}, fmt.Errorf("read feed: %w", err))
		return
	}
	defer in.close()
	out := &sink{in: in, o: o, yield: yield}
	if in.fields, err = newMapping(o.Map); err != nil {
		yield(Record{}, fmt.Errorf("read feed: %w", err)) // Check has seen it already
		return
	}
	switch in.format {
	case JSONL:
		readJSONL(out)
	case GoogleXML:
		readXML(out)
	case CSV, TSV:
		readTable(out)
	case ShopifyCSV:
		readShopify(out)
	}
}

// sink is what a reader has: its input, its options and who takes its records.
type sink struct {
	in    *input
	o     Options
	yield func(Record, error) bool
}

// record begins a record that ends at an offset of the text.
func (s *sink) record(row int, where string, offset int64) Record {
	return Record{Row: row, Where: where, At: s.in.at(offset), Of: s.in.size, Root: s.o.Root}
}

// emit hands a record on; false when the consumer had enough.
func (s *sink) emit(r Record, err error) bool {
	if s.o.base != nil {
		s.locate(&r)
	}
	return s.yield(r, err)
}

// end reports what ends the feed.
func (s *sink) end(r Record, err error) { s.yield(r, fmt.Errorf("read feed: %w", err)) }

// locate makes addresses of pictures that are given relative to a feed which
// has an address itself.
func (s *sink) locate(r *Record) {
	images := make([]string, 0, len(r.Images))
	for _, image := range r.Images {
		if u, err := url.Parse(image); err == nil && !IsData(image) {
			image = s.o.base.ResolveReference(u).String()
		}
		images = append(images, image)
	}
	if len(images) > 0 {
		r.setImages(images)
	}
}
