package catalogue

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Object is one product of a picture, as indices into the lists of
// [NewSchema]. The body has Color and Pattern; Parts are the colours of the
// type's first and second named part, -1 where the type has only one.
type Object struct {
	Type, Color, Pattern, Size int
	Parts                      [2]int
}

// Kinds of relation. Beside stands in specs only: left of, or right of.
const (
	LeftOf = iota
	On
	Inside
	Beside
)

// Relation says that object (or group) A stands so to B.
type Relation struct{ Kind, A, B int }

// Record is all that is true of a picture, as far as captions go. Objects of a
// row are listed from left to right, and each pair of them has a LeftOf.
type Record struct {
	Objects   []Object
	Relations []Relation
}

// Group describes objects of one type: how many there are and what is said of
// them. Count 0 means at least one, any other count is exact. -1 leaves an
// attribute open.
type Group struct {
	Count, Type, Color, Pattern, Size int
	Parts                             [2]int
}

// Spec is what a caption claims: these groups are in the picture (others may
// be, too), and these relations hold between them. The groups of one Spec have
// different types, so no object can stand for two of them.
type Spec struct {
	Groups    []Group
	Relations []Relation
}

func (g Group) fits(o Object) bool {
	return g.Type == o.Type &&
		(g.Color < 0 || g.Color == o.Color) &&
		(g.Pattern < 0 || g.Pattern == o.Pattern) &&
		(g.Size < 0 || g.Size == o.Size) &&
		(g.Parts[0] < 0 || g.Parts[0] == o.Parts[0]) &&
		(g.Parts[1] < 0 || g.Parts[1] == o.Parts[1])
}

// Matches says whether s is true of r, exactly: every group's number of
// objects is right, and every relation holds between some object of its one
// group and some object of its other.
func Matches(s Spec, r Record) bool {
	for _, g := range s.Groups {
		n := 0
		for _, o := range r.Objects {
			if g.fits(o) {
				n++
			}
		}
		if n == 0 || g.Count > 0 && n != g.Count {
			return false
		}
	}
	for _, want := range s.Relations {
		if !slices.ContainsFunc(r.Relations, func(is Relation) bool { return s.holds(want, is, r) }) {
			return false
		}
	}
	return true
}

// holds says whether the relation that is in r is the one that s wants.
func (s Spec) holds(want, is Relation, r Record) bool {
	a, b := s.Groups[want.A], s.Groups[want.B]
	forward := a.fits(r.Objects[is.A]) && b.fits(r.Objects[is.B])
	if want.Kind != Beside {
		return want.Kind == is.Kind && forward
	}
	return is.Kind == LeftOf && (forward || a.fits(r.Objects[is.B]) && b.fits(r.Objects[is.A]))
}

func (s Spec) clone() Spec {
	return Spec{Groups: slices.Clone(s.Groups), Relations: slices.Clone(s.Relations)}
}

func (s Spec) equal(t Spec) bool {
	return slices.Equal(s.Groups, t.Groups) && slices.Equal(s.Relations, t.Relations)
}

func (r Record) clone() Record {
	return Record{Objects: slices.Clone(r.Objects), Relations: slices.Clone(r.Relations)}
}

func (r Record) equal(t Record) bool {
	return slices.Equal(r.Objects, t.Objects) && slices.Equal(r.Relations, t.Relations)
}

// The JSON forms are arrays of small integers, so that a trainer in another
// language compares columns and needs no words. See the package comment.
type (
	recordJSON struct {
		O [][6]int `json:"o"`
		R [][3]int `json:"r,omitempty"`
	}
	specJSON struct {
		G [][7]int `json:"g"`
		R [][3]int `json:"r,omitempty"`
	}
)

func (r Record) wire() recordJSON {
	out := recordJSON{R: triples(r.Relations)}
	for _, o := range r.Objects {
		out.O = append(out.O, [6]int{o.Type, o.Color, o.Pattern, o.Size, o.Parts[0], o.Parts[1]})
	}
	return out
}

func (s Spec) wire() specJSON {
	out := specJSON{R: triples(s.Relations)}
	for _, g := range s.Groups {
		out.G = append(out.G, [7]int{g.Count, g.Type, g.Color, g.Pattern, g.Size, g.Parts[0], g.Parts[1]})
	}
	return out
}

func triples(of []Relation) [][3]int {
	var out [][3]int
	for _, r := range of {
		out = append(out, [3]int{r.Kind, r.A, r.B})
	}
	return out
}

func relations(of [][3]int, n int) ([]Relation, error) {
	var out []Relation
	for _, r := range of {
		if min(r[1], r[2]) < 0 || max(r[1], r[2]) >= n {
			return nil, fmt.Errorf("relation %v names something outside the %d listed", r, n)
		}
		out = append(out, Relation{r[0], r[1], r[2]})
	}
	return out, nil
}

// MarshalJSON writes the form {"o":[[type,colour,pattern,size,part,part]…],"r":[[kind,a,b]…]}.
func (r Record) MarshalJSON() ([]byte, error) { return json.Marshal(r.wire()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (r *Record) UnmarshalJSON(data []byte) error {
	var in recordJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("read record: %w", err)
	}
	*r = Record{}
	for _, o := range in.O {
		r.Objects = append(r.Objects, Object{o[0], o[1], o[2], o[3], [2]int{o[4], o[5]}})
	}
	var err error
	r.Relations, err = relations(in.R, len(r.Objects))
	return err
}

// MarshalJSON writes the form {"g":[[count,type,colour,pattern,size,part,part]…],"r":[[kind,a,b]…]}.
func (s Spec) MarshalJSON() ([]byte, error) { return json.Marshal(s.wire()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Spec) UnmarshalJSON(data []byte) error {
	var in specJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("read spec: %w", err)
	}
	*s = Spec{}
	for _, g := range in.G {
		s.Groups = append(s.Groups, Group{g[0], g[1], g[2], g[3], g[4], [2]int{g[5], g[6]}})
	}
	var err error
	s.Relations, err = relations(in.R, len(s.Groups))
	return err
}
