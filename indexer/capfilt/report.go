package capfilt

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"sightline/store"
)

// ReportFile is the report within its folder: a line that says how it was made,
// then a Row a line. Lines are added, never changed; of several rows of an item
// the last one holds that has its present picture and title.
const ReportFile = "report.jsonl"

// Made says how a report was made. Rows of two kinds are not mixed.
type Made struct {
	Format    int     `json:"capfilt"` // 1
	Captioner string  `json:"captioner"`
	Filter    string  `json:"filter"` // fingerprints
	Options   Options `json:"options"`
}

// ErrOther says that a report was made with other models or settings.
var ErrOther = errors.New("the report in this folder was made with other models or settings")

// Report is what runs have found. It is for one goroutine, and one program at a
// time. It keeps 40 bytes of memory an item.
type Report struct {
	dir  string
	file *os.File // nil of one that is only read and is not there yet
	end  int64
	rows map[rowKey]place
}

// rowKey stands for the id, picture and title of a row.
type rowKey [16]byte

type place struct {
	offset int64
	live   bool // the catalogue has the item as it was judged
}

func keyOf(id, picture, title string) rowKey {
	h := sha256.New()
	for _, part := range []string{id, picture, title} {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return rowKey(h.Sum(nil)[:16])
}

// OpenReport opens or makes the report in a folder. restart drops what is there;
// readOnly makes nothing. ErrOther where the report was made otherwise.
func OpenReport(dir string, made Made, restart, readOnly bool) (*Report, error) {
	made.Format = 1
	r := &Report{dir: dir, rows: map[rowKey]place{}}
	if err := r.open(made, restart, readOnly); err != nil {
		return nil, errors.Join(fmt.Errorf("open report in %s: %w", dir, err), r.Close())
	}
	return r, nil
}

func (r *Report) open(made Made, restart, readOnly bool) (err error) {
	path := filepath.Join(r.dir, ReportFile)
	if readOnly {
		if r.file, err = os.Open(path); errors.Is(err, fs.ErrNotExist) || restart {
			return nil
		}
	} else {
		if err := os.MkdirAll(r.dir, 0o755); err != nil {
			return err
		}
		flags := os.O_RDWR | os.O_CREATE
		if restart {
			flags |= os.O_TRUNC
		}
		r.file, err = os.OpenFile(path, flags, 0o644)
	}
	if err != nil {
		return err
	}
	if err := r.read(made); err != nil || readOnly {
		return err
	}
	// A row that a kill has cut off goes.
	if err := r.file.Truncate(r.end); err != nil {
		return err
	}
	if r.end == 0 {
		return r.write([]any{made})
	}
	_, err = r.file.Seek(r.end, io.SeekStart)
	return err
}

// read finds the rows that are there, up to the last whole line.
func (r *Report) read(made Made) error {
	first := true
	err := r.lines(func(offset int64, line []byte) error {
		if first {
			first = false
			var was Made
			if json.Unmarshal(line, &was) != nil || was.Format == 0 {
				return fmt.Errorf("%s is not a report of this program: choose another folder with --out", ReportFile)
			}
			if was != made {
				return fmt.Errorf("%w: use the same ones, another --out, or --restart", ErrOther)
			}
		} else {
			var row Row
			if err := json.Unmarshal(line, &row); err != nil {
				return fmt.Errorf("%s, byte %d: %w: mend the line or use --restart", ReportFile, offset, err)
			}
			r.rows[keyOf(row.ID, row.Picture, row.Title)] = place{offset: offset}
		}
		r.end = offset + int64(len(line)) + 1
		return nil
	})
	return err
}

// lines calls do for every line that has an end.
func (r *Report) lines(do func(offset int64, line []byte) error) error {
	if r.file == nil {
		return nil
	}
	if _, err := r.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	in, offset := bufio.NewReaderSize(r.file, 1<<16), int64(0)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := do(offset, bytes.TrimSuffix(line, []byte("\n"))); err != nil {
			return err
		}
		offset += int64(len(line))
	}
}

// has says whether an entry was judged as it is now.
func (r *Report) has(e store.Entry) bool {
	key := keyOf(e.Item.ID, e.Picture, e.Item.Title)
	at, ok := r.rows[key]
	if ok {
		r.rows[key] = place{at.offset, true}
	}
	return ok
}

// add appends rows and waits until they are on disk.
func (r *Report) add(rows []Row) error {
	lines := make([]any, len(rows))
	at := r.end
	for i, row := range rows {
		lines[i] = row
	}
	if err := r.write(lines); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	// Where each begins does not matter here: the order is that of the file.
	for i, row := range rows {
		r.rows[keyOf(row.ID, row.Picture, row.Title)] = place{at, true}
		n, err := size(row)
		if err != nil {
			return fmt.Errorf("write row %d of report: %w", i, err)
		}
		at += n
	}
	return nil
}

func size(v any) (int64, error) {
	data, err := json.Marshal(v)
	return int64(len(data)) + 1, err
}

func (r *Report) write(lines []any) error {
	var b bytes.Buffer
	for _, v := range lines {
		data, err := json.Marshal(v)
		if err != nil {
			return err
		}
		b.Write(append(data, '\n'))
	}
	if _, err := r.file.WriteAt(b.Bytes(), r.end); err != nil {
		return err
	}
	if err := r.file.Sync(); err != nil {
		return err
	}
	r.end += int64(b.Len())
	return nil
}

// Rows calls do for the rows of items that a Run found in the catalogue, in the
// order in which they were judged.
func (r *Report) Rows(do func(Row) error) error {
	return r.lines(func(offset int64, line []byte) error {
		var row Row
		if err := json.Unmarshal(line, &row); err != nil {
			return fmt.Errorf("read report: %w", err)
		}
		if at := r.rows[keyOf(row.ID, row.Picture, row.Title)]; !at.live || at.offset != offset {
			return nil
		}
		return do(row)
	})
}

// Count adds up the rows of items that are in the catalogue.
func (r *Report) Count(sum Summary) (Summary, error) {
	sum.Flags = map[string]int{}
	for _, reason := range Reasons() {
		sum.Flags[reason] = 0
	}
	err := r.Rows(func(row Row) error {
		switch {
		case row.Failure != nil:
			sum.Failed++
			return nil
		case row.Title == "":
			sum.Missing++
		}
		if row.Kept {
			sum.Kept++
		}
		for _, f := range row.Flags {
			sum.Flags[f]++
		}
		return nil
	})
	return sum, err
}

// Close closes the file.
func (r *Report) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}
