package eval

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Query is one line of a queries file: a search by Text or by the picture in
// the file Image. Other fields of the line are ignored.
type Query struct {
	Text     string   `json:"text"`
	Image    string   `json:"image"` // relative to the queries file
	Kind     string   `json:"kind"`  // groups queries in the report; may be empty
	Relevant []string `json:"relevant"`
	Picture  string   `json:"picture"` // the item that the text was written for; needed where there is a Swap
	Swap     *Swap    `json:"swap"`
}

func (q Query) check() error {
	switch {
	case (q.Text == "") == (q.Image == "") || len(q.Relevant) == 0:
		return errors.New(`a query needs "text" or "image", and at least one id in "relevant"`)
	case q.Swap != nil && (q.Picture == "" || q.Swap.Text == "" || q.Text == ""):
		return errors.New(`a query with "swap" needs "text", the "picture" that it was written for, and a text in "swap"`)
	}
	return nil
}

// name is how errors call the query.
func (q Query) name() string { return cmp.Or(q.Text, q.Image) }

// maxLine bounds one line; maxQueries what is kept in memory.
const (
	maxLine    = 1 << 20
	maxQueries = 100_000
)

// ReadQueries reads JSONL. All queries are by text or all by picture: the second
// look reads other things for each, so the two do not share a table. Errors name
// the line.
func ReadQueries(r io.Reader) ([]Query, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	var queries []Query
	n := 0
	for lines.Scan() {
		n++
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		var q Query
		if err := json.Unmarshal(line, &q); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if err := q.check(); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if len(queries) > 0 && (q.Image == "") != (queries[0].Image == "") {
			return nil, fmt.Errorf("line %d: searches by text and by picture are measured apart: put them in two files", n)
		}
		if queries = append(queries, q); len(queries) > maxQueries {
			return nil, fmt.Errorf("more than %d queries; split the file", maxQueries)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	}
	if len(queries) == 0 {
		return nil, errors.New("the file has no queries")
	}
	return queries, nil
}
