package catalogue

import "slices"

// Query is a search whose right answers are known.
type Query struct {
	Text      string   `json:"text"`
	Kind      string   `json:"kind"`
	OrderFree bool     `json:"order_free"` // no left or right in it
	Spec      Spec     `json:"spec"`
	Picture   string   `json:"picture"`  // the picture it was written for
	Relevant  []string `json:"relevant"` // every picture it is true of, by id
	Swap      *Swap    `json:"swap,omitempty"`
}

// Swap is the query with two things exchanged. It is not true of Picture.
type Swap struct {
	Text string `json:"text"`
	Kind string `json:"kind"` // colour, pattern, left_right
	Spec Spec   `json:"spec"`
}

// queryShares are queries per 1,000 pictures, and the most there are of each.
var queryShares = []struct {
	kinds  []string
	single bool
	mille  int
	most   int
}{
	{[]string{KindShort}, true, 60, 300},
	{[]string{KindBinding}, true, 100, 500},
	{[]string{KindSet, KindCount}, false, 60, 300},
	{[]string{KindRelation}, false, 40, 200},
}

// Queries writes searches for a catalogue: for 5,000 pictures 300 short ones,
// 500 that bind colours to parts of one product, and 500 on sets, of which 200
// say who stands where. No text comes twice. Each is written for one picture;
// its relevant pictures are found by trying all. Takes about a second for
// 5,000 pictures.
func (w *World) Queries(s Split, pictures []Picture, seed uint64) []Query {
	d := roll(seed, mix(4))
	said := map[string]bool{}
	var out []Query
	for _, share := range queryShares {
		want := min(len(pictures)*share.mille/mille, share.most)
		for tries := 0; want > 0 && tries < 200*share.most; tries++ {
			p := pictures[d.below(len(pictures))]
			if (len(p.Record.Objects) == 1) != share.single {
				continue
			}
			q, ok := w.query(d, s, p, share.kinds)
			if !ok || said[q.Text] {
				continue
			}
			said[q.Text] = true
			q.Relevant = relevant(q.Spec, pictures)
			out = append(out, q)
			want--
		}
	}
	return out
}

func (w *World) query(d dice, s Split, p Picture, of []string) (Query, bool) {
	kind := captionKind(d, p.Record)
	if !slices.Contains(of, kind) {
		return Query{}, false
	}
	c, how, ok := w.caption(d, s, p.Record, kind)
	if !ok {
		return Query{}, false
	}
	q := Query{Text: c.Text.Text, Kind: kind, Spec: c.Spec, Picture: p.ID}
	q.OrderFree = !slices.ContainsFunc(q.Spec.Relations, func(r Relation) bool { return r.Kind == LeftOf })
	q.Swap = w.swap(d, s, p.Record, c.Spec, how, !q.OrderFree)
	return q, true
}

// swap makes a false exchange of the query: of left and right when it has
// them, since nothing else can test those.
func (w *World) swap(d dice, s Split, r Record, spec Spec, how wording, ordered bool) *Swap {
	all := exchanges(spec)
	shuffle(d, all)
	for _, c := range all {
		if ordered && c.kind != "left_right" {
			continue
		}
		if t, ok := w.negative(s, r, c, how); ok {
			return &Swap{t.Text, t.Kind, t.Spec}
		}
	}
	return nil
}

func relevant(s Spec, pictures []Picture) []string {
	var out []string
	for _, p := range pictures {
		if Matches(s, p.Record) {
			out = append(out, p.ID)
		}
	}
	return out
}

// View is a new photograph, with another pose and light, of what pictures of
// the catalogue show: a search by picture whose right answers are known.
type View struct {
	Image    string   `json:"image"`
	Record   Record   `json:"-"`
	Seed     uint64   `json:"-"`
	Relevant []string `json:"relevant"` // every picture of the same things, by id
}

// Views takes up to n photographs of different pictures of the catalogue.
func (w *World) Views(pictures []Picture, n int, seed uint64) []View {
	d := roll(seed, mix(5))
	order := make([]int, len(pictures))
	for i := range order {
		order[i] = i
	}
	shuffle(d, order)
	var out []View
	for _, i := range order[:min(n, len(order))] {
		p := pictures[i]
		v := View{Image: "views/" + p.ID + ".png", Record: p.Record, Seed: mix(p.Seed + 1)}
		for _, q := range pictures {
			if q.Record.equal(p.Record) {
				v.Relevant = append(v.Relevant, q.ID)
			}
		}
		out = append(out, v)
	}
	return out
}
