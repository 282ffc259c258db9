package dataset

import (
	"fmt"
	"strconv"
	"strings"
)

// Item is what a shop says of one item, and its vector.
type Item struct {
	ID       string
	Title    string
	Brand    string
	Category string
	Price    float64
	Vector   []float32
}

// Filters are the fields that searches are narrowed by, "" for none: a category
// has 10 % of the items and a brand 0.5 %.
var Filters = []string{"", "category", "brand"}

// Where returns the value that a query asks of a filter's field: that of the
// item it lies near, as a customer who looks for shoes asks for shoes.
func (s Set) Where(filter string, query int) string { return s.value(filter, s.target(query)) }

func (s Set) value(filter string, row int) string {
	switch filter {
	case "category":
		return s.category(row)
	case "brand":
		return s.brand(row)
	}
	return ""
}

// target is the row that a query lies near.
func (s Set) target(query int) int { return int(s.draw(2, query) % uint64(s.Items)) }

func (s Set) item(row int, vector []float32) Item {
	return Item{
		ID: id(row), Title: fmt.Sprint("Striped cotton T-shirt with a round neck, model ", row/variants),
		Brand: s.brand(row), Category: s.category(row), Price: float64(s.draw(3, row)%20_000) / 100, Vector: vector,
	}
}

func (s Set) centre(row int) int { return int(s.draw(0, row/variants) % centres) }
func (s Set) category(row int) string {
	return "category " + strconv.Itoa(s.centre(row)%categories)
}

func (s Set) brand(row int) string {
	return "brand " + strconv.Itoa(int(s.draw(1, row/variants)%brands))
}

// draw is splitmix64 of a number and the seed: a random number that can be asked
// for in any order.
func (s Set) draw(kind, i int) uint64 {
	x := s.Seed ^ uint64(kind)<<56
	x += (uint64(i) + 1) * 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Ids come in no order, as a shop's do: an import in the order of ids would spare
// a database most of the work on its index. 17679 undoes 7919 modulo ten million.
const ids = 10_000_000

func id(row int) string { return fmt.Sprintf("sku-%07d", row*7919%ids) }

// Row is the row of an id.
func Row(id string) (int, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(id, "sku-"))
	if err != nil {
		return 0, fmt.Errorf("id %q is not of the dataset: %w", id, err)
	}
	return n * 17679 % ids, nil
}
