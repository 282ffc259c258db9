package main

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"sightline/demo/catalogue"
)

// Faults that are planted, in thousandths of the items.
const (
	clean       = "none"
	otherShown  = "wrong picture"
	siblingShow = "wrong picture, almost the same"
	swapped     = "swapped title"
	stuffed     = "stuffed title"
	sameShown   = "placeholder picture"
	flatShown   = "flat picture"
	foreign     = "title of unknown words"
	untitled    = "no title"
)

var shares = []struct {
	fault string
	mille int
}{
	{siblingShow, 30},
	{otherShown, 70},
	{swapped, 50},
	{stuffed, 50},
	{sameShown, 15},
	{flatShown, 5},
	{foreign, 10},
	{untitled, 50},
}

// truth is what is known of an item.
type truth struct {
	ID    string `json:"id"`
	Fault string `json:"fault"`
	Shows string `json:"shows"` // the catalogue's picture that it has; "" for none of them
	Title string `json:"title"` // as planted
}

type planter struct {
	*shop
	parser   *catalogue.Parser
	rand     *rand.Rand
	products []catalogue.Product
	truth    []truth
	order    []int // items without a fault so far
}

// plant writes planted.jsonl, a feed with faults, truth.jsonl, which says where they
// are, and untitled.jsonl, the right feed without titles.
func plant(o options) error {
	s, err := openShop(o.catalogue)
	if err != nil {
		return err
	}
	numbers := rand.New(rand.NewPCG(o.seed, 7)) //nolint:gosec // one seed, the same faults
	p := &planter{shop: s, parser: catalogue.NewParser(), rand: numbers, products: s.products()}
	for i, product := range p.products {
		p.truth = append(p.truth, truth{product.ID, clean, product.ID, product.Title})
		p.order = append(p.order, i)
	}
	bare := s.products()
	for i := range bare {
		bare[i].Title = ""
	}
	p.rand.Shuffle(len(p.order), func(i, j int) { p.order[i], p.order[j] = p.order[j], p.order[i] })
	for _, share := range shares {
		p.share(share.fault, len(p.products)*share.mille/1000)
	}
	for i := range p.products {
		p.truth[i].Title = p.products[i].Title
	}
	if err := p.placeholders(); err != nil {
		return err
	}
	for name, write := range map[string]func(string) error{
		"planted.jsonl":  func(path string) error { return writeLines(path, p.products) },
		"truth.jsonl":    func(path string) error { return writeLines(path, p.truth) },
		"untitled.jsonl": func(path string) error { return writeLines(path, bare) },
	} {
		if err := write(filepath.Join(o.catalogue, name)); err != nil {
			return err
		}
	}
	return nil
}

// share plants one fault in up to n items.
func (p *planter) share(fault string, n int) {
	rest := p.order[:0:0]
	for _, i := range p.order {
		if n > 0 && p.one(fault, i) {
			p.truth[i].Fault = fault
			n--
		} else {
			rest = append(rest, i)
		}
	}
	p.order = rest
}

// one plants a fault; false where the item does not lend itself to it.
func (p *planter) one(fault string, i int) bool {
	at, other := &p.products[i], p.rand.IntN(len(p.products))
	switch fault {
	case siblingShow:
		for _, id := range p.families[p.pictures[i].Family] {
			if p.show(i, id) {
				return true
			}
		}
		return false
	case otherShown:
		return p.show(i, p.truth[other].ID)
	case swapped:
		if p.isTrue(p.world.Product(p.pictures[other]).Title, at.ID) {
			return false
		}
		at.Title = p.world.Product(p.pictures[other]).Title
	case stuffed:
		for range 2 + p.rand.IntN(2) {
			more := p.world.Product(p.pictures[p.rand.IntN(len(p.products))]).Title
			if p.isTrue(more, at.ID) {
				return false
			}
			at.Title += ", " + strings.ToLower(more)
		}
	case sameShown:
		at.Image, p.truth[i].Shows = "pictures/no-image.png", ""
	case flatShown:
		at.Image, p.truth[i].Shows = fmt.Sprintf("pictures/flat-%d.png", i), ""
	case foreign:
		at.Title = "Handgefertigte Neuheit Sonderangebot"
	case untitled:
		at.Title = ""
	}
	return true
}

// show gives an item another's picture, if its title is false of it.
func (p *planter) show(i int, id string) bool {
	if p.isTrue(p.products[i].Title, id) {
		return false
	}
	p.products[i].Image, p.truth[i].Shows = "pictures/"+id+".png", id
	return true
}

func (p *planter) isTrue(title, picture string) bool {
	spec, err := p.parser.Parse(strings.ToLower(title))
	return err == nil && catalogue.Matches(spec, p.records[picture])
}

// placeholders draws the pictures that show no product: a crossed box, and plain grey.
func (p *planter) placeholders() error {
	for i, t := range p.truth {
		if t.Fault == flatShown {
			if err := draw(filepath.Join(p.dir, p.products[i].Image), func(int, int) uint8 { return uint8(100 + i%100) }); err != nil {
				return err
			}
		}
	}
	return draw(filepath.Join(p.dir, "pictures", "no-image.png"), func(x, y int) uint8 {
		edge := min(x, y, 95-x, 95-y)
		if edge < 14 && edge > 10 || edge >= 14 && (abs(x-y) < 3 || abs(95-x-y) < 3) {
			return 120
		}
		return 225
	})
}

func abs(v int) int { return max(v, -v) }

func draw(path string, grey func(x, y int) uint8) error {
	img := image.NewGray(image.Rect(0, 0, 96, 96))
	for y := range 96 {
		for x := range 96 {
			img.SetGray(x, y, color.Gray{grey(x, y)})
		}
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("draw: %w", err)
	}
	if err := png.Encode(f, img); err != nil {
		return fmt.Errorf("draw: %w", err)
	}
	return f.Close()
}
