package eval

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Query is one line of a queries file. Other fields of the line are ignored.
type Query struct {
	Text     string   `json:"text"`
	Kind     string   `json:"kind"` // groups queries in the report; may be empty
	Relevant []string `json:"relevant"`
}

// maxLine bounds one line; maxQueries what is kept in memory.
const (
	maxLine    = 1 << 20
	maxQueries = 100_000
)

// ReadQueries reads JSONL. Every query has a text and at least one relevant id;
// errors name the line.
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
		if q.Text == "" || len(q.Relevant) == 0 {
			return nil, fmt.Errorf(`line %d: a query needs "text" and at least one id in "relevant"`, n)
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
