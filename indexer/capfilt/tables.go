package capfilt

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// WriteTable writes the report as report.csv into its folder.
func (r *Report) WriteTable() error {
	return replace(filepath.Join(r.dir, "report.csv"), func(w io.Writer) error {
		out := csv.NewWriter(w)
		header := []string{"id", "flags", "title", "title_probability", "title_margin", "fits", "does_not_fit", "caption", "caption_probability", "caption_margin", "kept", "alike", "picture", "failure"}
		if err := out.Write(header); err != nil {
			return err
		}
		if err := r.Rows(func(row Row) error { return out.Write(row.cells()) }); err != nil {
			return err
		}
		out.Flush()
		return out.Error()
	})
}

func (r Row) cells() []string {
	c := []string{cell(r.ID), strings.Join(r.Flags, "|"), cell(r.Title)}
	c = append(append(c, numbers(r.Match)...), cell(r.Core), cell(strings.Join(r.Doubts, " | ")))
	text := ""
	if r.Caption != nil {
		text = r.Caption.Text
	}
	c = append(append(c, cell(text)), numbers(r.Caption)...)
	failure, alike := "", ""
	if r.Failure != nil {
		failure = r.Failure.Stage + ": " + r.Failure.Reason
	}
	if r.Alike > 0 {
		alike = strconv.Itoa(r.Alike)
	}
	return append(c, strconv.FormatBool(r.Kept), alike, r.Picture, cell(failure))
}

func numbers(t *Judged) []string {
	if t == nil {
		return []string{"", ""}
	}
	return []string{decimals(t.Probability, 4), decimals(t.Margin, 2)}
}

func decimals(v float64, n int) string { return strconv.FormatFloat(v, 'f', n, 64) }

// cell keeps a spreadsheet from taking a shop's text for a formula.
func cell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

// WriteAlt writes the kept captions for review as texts instead of pictures: id,
// title, caption, probability.
func (r *Report) WriteAlt(path string) error {
	return replace(path, func(w io.Writer) error {
		out := csv.NewWriter(w)
		if err := out.Write([]string{"id", "title", "caption", "probability"}); err != nil {
			return err
		}
		if err := r.Rows(func(row Row) error {
			if !row.Kept {
				return nil
			}
			return out.Write([]string{cell(row.ID), cell(row.Title), cell(row.Caption.Text), decimals(row.Caption.Probability, 4)})
		}); err != nil {
			return err
		}
		out.Flush()
		return out.Error()
	})
}

// replace writes a file beside the one that it takes the place of when it is whole.
func replace(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // the error before it says more
		}
	}()
	b := bufio.NewWriter(f)
	err = write(b)
	if err == nil {
		err = b.Flush()
	}
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
