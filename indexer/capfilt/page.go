package capfilt

import (
	"bytes"
	"cmp"
	"context"
	_ "embed" // the page
	"encoding/base64"
	"errors"
	"html/template"
	"image"
	"image/jpeg"
	"io"
	"path/filepath"
	"slices"

	"golang.org/x/image/draw"

	"sightline/encoder/picture"
)

//go:embed page.html
var pageSource string

// Bounds of the page: rows, and the longer side of a picture in pixels. A picture
// is some 4 KB in the page.
const (
	pageRows = 1000
	thumb    = 112
)

// shown is a row of the page.
type shown struct {
	Row
	Picture template.URL // data: URL, made here of pixels; "" where there is none
}

// WritePage writes the items that are flagged or could not be judged, and kept
// captions, as report.html into the folder: one file with its pictures, the first
// 1,000 rows, doubtful ones first.
func (r *Report) WritePage(ctx context.Context, sum Summary, from Pictures) error {
	page, err := template.New("page").Parse(pageSource)
	if err != nil {
		return err
	}
	rows, left, err := r.forPage()
	if err != nil {
		return err
	}
	all := make([]shown, len(rows))
	for i, row := range rows {
		all[i] = shown{Row: row.Row, Picture: thumbnail(ctx, from, row.Row.Picture)}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return replace(filepath.Join(r.dir, "report.html"), func(w io.Writer) error {
		return page.Execute(w, struct {
			Sum     Summary
			Reasons []string
			Rows    []shown
			Left    int
		}{sum, Reasons(), all, left})
	})
}

// forPage picks the rows and puts them in order.
func (r *Report) forPage() (rows []shown, left int, err error) {
	err = r.Rows(func(row Row) error {
		if len(row.Flags) == 0 && row.Failure == nil && !row.Kept {
			return nil
		}
		rows = append(rows, shown{Row: row})
		if len(rows) == 4*pageRows { // what is kept in memory is bounded
			rows, left = firstRows(rows, left)
		}
		return nil
	})
	rows, left = firstRows(rows, left)
	return rows, left, err
}

func firstRows(rows []shown, left int) ([]shown, int) {
	slices.SortStableFunc(rows, func(a, b shown) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.margin(), b.margin()), cmp.Compare(a.ID, b.ID))
	})
	n := min(len(rows), pageRows)
	return slices.Clone(rows[:n]), left + len(rows) - n
}

func (r Row) rank() int {
	switch {
	case r.doubtful():
		return 0
	case r.Failure != nil:
		return 1
	case r.Kept:
		return 2
	}
	return 3
}

func (r Row) margin() float64 {
	if r.Match == nil {
		return 0
	}
	return r.Match.Margin
}

// thumbnail is a small JPEG, "" of a picture that cannot be read: the row says why.
func thumbnail(ctx context.Context, from Pictures, key string) template.URL {
	if key == "" {
		return ""
	}
	data, err := from.Get(ctx, key)
	if err != nil {
		return ""
	}
	small, err := shrunk(data)
	if err != nil {
		return ""
	}
	return template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(small)) //nolint:gosec // of our own making
}

var errEmpty = errors.New("a picture without pixels")

func shrunk(data []byte) ([]byte, error) {
	img, err := picture.Decode(data, picture.DefaultLimits())
	if err != nil {
		return nil, err
	}
	w, h := img.Rect.Dx(), img.Rect.Dy()
	if w == 0 || h == 0 {
		return nil, errEmpty
	}
	long := max(w, h, thumb)
	to := image.NewRGBA(image.Rect(0, 0, max(1, w*thumb/long), max(1, h*thumb/long)))
	draw.ApproxBiLinear.Scale(to, to.Rect, img, img.Rect, draw.Src, nil)
	var out bytes.Buffer
	err = jpeg.Encode(&out, to, &jpeg.Options{Quality: 75})
	return out.Bytes(), err
}
