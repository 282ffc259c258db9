package feed

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxColumns is what a spreadsheet has.
const maxColumns = 1 << 14

// table is a CSV or TSV feed whose header is read.
type table struct {
	s      *sink
	rows   *tableReader
	header []string
}

// openTable reads the header: the first row that is not blank.
func openTable(s *sink) (*table, error) {
	t := &table{s: s, rows: &tableReader{in: &lineReader{r: s.in.r}, delim: s.in.delim, lenient: s.in.format == TSV}}
	for {
		cells, err := t.rows.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil, errors.New("the feed is empty; a table starts with a row of column names")
		case err != nil:
			return nil, fmt.Errorf("the header, row %d: %w", t.rows.row, notFault(err))
		case isBlank(cells):
			continue
		case len(cells) > maxColumns:
			return nil, fmt.Errorf("the header has %d columns; the limit is %d", len(cells), maxColumns)
		}
		t.header = slices.Clone(cells)
		return t, nil
	}
}

// notFault makes what is wrong with one row the end of the feed.
func notFault(err error) error {
	var fault *Fault
	if errors.As(err, &fault) {
		return fault.Err
	}
	return err
}

// columns says what each column means.
func (t *table) columns() ([]column, error) {
	out := make([]column, len(t.header))
	seen := map[string]int{}
	best := -1
	for i, name := range t.header {
		out[i] = t.s.in.fields.column(name)
		key := squeeze(name)
		if first, twice := seen[key]; twice && key != "" && out[i].field != fieldImages && out[i].field != ignored {
			return nil, fmt.Errorf("columns %d and %d are both called %q; rename or remove one", first+1, i+1, shorten(name, 60))
		}
		seen[key] = i
		if out[i].field == fieldID && (best < 0 || out[i].rank < out[best].rank) {
			best = i
		}
	}
	for name := range t.s.in.fields {
		if _, ok := seen[name]; !ok {
			return nil, fmt.Errorf("the map names a column that is not there (%q); the columns are %s", name, describe(t.header))
		}
	}
	if best < 0 {
		return nil, fmt.Errorf("no column is the id; call one of them \"id\" or map it (--map THEIRS=id); the first row gives %s", describe(t.header))
	}
	return out, keepOneID(out, best)
}

// keepOneID makes attributes of the other columns that could be the id: one
// that stands in where the id is empty would give two items one id.
func keepOneID(columns []column, best int) error {
	for i := range columns {
		if c := &columns[i]; c.field == fieldID && i != best {
			if c.name == fieldID.jsonName() || c.rank < 0 {
				return errors.New("two columns are the id; map one of them to \"-\" or to an attribute")
			}
			c.field = attribute
		}
	}
	return nil
}

// readTable reads one item a row.
func readTable(s *sink) {
	t, err := openTable(s)
	if err != nil {
		s.end(Record{}, err)
		return
	}
	columns, err := t.columns()
	if err != nil {
		s.end(Record{}, err)
		return
	}
	if !slices.ContainsFunc(columns, func(c column) bool { return c.field == fieldImage || c.field == fieldImages }) {
		s.o.Log.Warn("no column of the feed is the picture; call one of them \"image\" or map it (--map THEIRS=image)", "columns", describe(t.header))
	}
	build := &builder{currency: s.o.Currency}
	for {
		cells, err := t.next()
		switch {
		case errors.Is(err, io.EOF):
			return
		case isEnd(err):
			s.end(t.record(), fmt.Errorf("at row %d: %w", t.rows.row, err))
			return
		case err == nil && isBlank(cells):
			continue
		}
		if !s.emit(t.item(build, columns, cells, err)) {
			return
		}
	}
}

// next returns the next row, which has a cell for each column.
func (t *table) next() ([]string, error) {
	cells, err := t.rows.next()
	if err != nil || isBlank(cells) {
		return cells, err
	}
	n := len(t.header)
	switch {
	case len(cells) < n:
		return cells, faultf("has %d cells, the header has %d columns; put quotes around cells with line ends in them, and write empty cells too", len(cells), n)
	case len(cells) > n && !isBlank(cells[n:]):
		return cells, faultf("has %d cells, the header has %d columns; put quotes around cells with a %q in them", len(cells), n, string(t.rows.delim))
	}
	return cells[:n], nil
}

// isEnd says whether an error is more than a row's.
func isEnd(err error) bool {
	var fault *Fault
	return err != nil && !errors.As(err, &fault)
}

func isBlank(cells []string) bool {
	for _, cell := range cells {
		if strings.TrimSpace(cell) != "" {
			return false
		}
	}
	return true
}

func (t *table) record() Record { return t.s.record(t.rows.row, t.rows.where(), t.rows.at) }

// item makes a record of a row, or of what is known of one that has a fault.
func (t *table) item(build *builder, columns []column, cells []string, err error) (Record, error) {
	record := t.record()
	build.reset()
	for i := range min(len(cells), len(columns)) {
		build.add(columns[i], cells[i])
	}
	if err != nil {
		record.original = original{text: repair(trimEnd(t.rows.raw))}
		return record, err
	}
	var images []string
	record.Item, images, err = build.finish()
	if err != nil {
		record.original.fields = build.fields(record.Item, images)
	}
	record.setImages(images)
	return record, err
}
