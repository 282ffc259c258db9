package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"sightline/encoder"
	"sightline/encoder/picture"
	"sightline/rerank"
	"sightline/store"
	"sightline/store/features"
)

// cropper is an ImageEncoder that can leave out what is outside of a box;
// encoder.Model is one.
type cropper interface {
	PixelsWithin(data []byte, box picture.Box) (encoder.Pixels, error)
}

// pixels decodes the part of a picture that box names.
func (e *Engine) pixels(data []byte, box picture.Box) (encoder.Pixels, error) {
	if box.IsZero() {
		return e.Images.Pixels(data)
	}
	c, ok := e.Images.(cropper)
	if !ok {
		return nil, refuse(kindUnsupported, "This server cannot search by a part of a picture: leave box out.")
	}
	return c.PixelsWithin(data, box)
}

// looked is a picture of a request after encoding.
type looked struct {
	item      *store.Entry   // of a picture that the index holds
	key       string         // of its patch states; of an item the main picture's
	embedding []float32      // of an item the main picture's; nil for an item that is not there
	states    encoder.States // of one that came with the request
}

// nearest is how near a picture is to a query, and which of the item's pictures
// is nearest.
func (l looked) nearest(query []float32) (key string, view int, itc float64) {
	if l.item == nil {
		return l.key, 0, cosine(query, l.embedding)
	}
	h := bestView(*l.item, query)
	return h.picture, h.View, h.ITC
}

// gathering is what getting the pictures of a request depends on.
type gathering struct {
	pictures []*visual
	lenient  bool // items that are not there are no problem
	exact    bool // patch states stay in float32, whatever Engine.Quantized says
}

// gather gets and encodes pictures: items from the index, the rest by decoding and
// the vision tower, equal ones once. All pictures that cannot be used are reported
// at once. It drops the bytes.
func (e *Engine) gather(ctx context.Context, g gathering) ([]looked, error) {
	out := make([]looked, len(g.pictures))
	if err := e.lookUp(ctx, g, out); err != nil {
		return nil, err
	}
	if err := e.fetchAll(ctx, g.pictures); err != nil {
		return nil, err
	}
	pixels, err := e.decode(ctx, g.pictures, out)
	if err != nil {
		return nil, err
	}
	known := map[string]looked{}
	for i := range out {
		if pixels[i] == nil {
			continue
		}
		same, ok := known[out[i].key]
		if !ok {
			if same, err = e.encodePicture(ctx, pixels[i]); err != nil {
				return nil, fmt.Errorf("encode picture: %w", err)
			}
			if e.Quantized && !g.exact {
				same.states = same.states.Quantize()
			}
			same.key = out[i].key
			known[same.key] = same
		}
		out[i], pixels[i] = same, nil
	}
	return out, nil
}

// lookUp finds the pictures that are items.
func (e *Engine) lookUp(ctx context.Context, g gathering, out []looked) error {
	var ids []string
	for _, v := range g.pictures {
		if v.id != "" {
			ids = append(ids, v.id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	slices.Sort(ids)
	entries, err := e.Index.Get(ctx, slices.Compact(ids))
	if err != nil {
		return fmt.Errorf("get items: %w", err)
	}
	found := make(map[string]*store.Entry, len(entries))
	for i, entry := range entries {
		if len(entry.Embedding) > 0 {
			found[entry.Item.ID] = &entries[i]
		}
	}
	var wrong Invalid
	for i, v := range g.pictures {
		if entry := found[v.id]; entry != nil {
			out[i] = looked{item: entry, key: entry.Picture, embedding: entry.Embedding}
		} else if v.id != "" && (!g.lenient || len(found) == 0) && len(wrong.Fields) < maxListProblems {
			wrong.add(v.path, "names no indexed item: give an item's id, or a picture as address, data: URL or base64")
		}
	}
	return wrong.err()
}

// decode turns bytes into pixels, one after the other. Pixels of what needs none
// are nil.
func (e *Engine) decode(ctx context.Context, pictures []*visual, out []looked) ([]encoder.Pixels, error) {
	pixels := make([]encoder.Pixels, len(pictures))
	var wrong []FieldProblem
	worst := kindPicture
	for i, v := range pictures {
		if len(v.data) == 0 {
			continue
		}
		if err := ctx.Err(); err != nil { // decoding cannot be interrupted
			return nil, fmt.Errorf("decode pictures: %w", err)
		}
		var err error
		pixels[i], err = e.pixels(v.data, v.box)
		if bad, ok := errors.AsType[*picture.Error](err); ok {
			wrong, worst = append(wrong, FieldProblem{Field: v.path, Detail: bad.Msg}), pictureKind(bad.Kind)
		} else if err != nil {
			return nil, err
		}
		out[i].key = keyOf(v)
		v.data = nil
	}
	if len(wrong) > 1 {
		worst = kindPicture
	}
	if len(wrong) > 0 {
		return nil, &refusal{kind: worst, detail: "A picture cannot be used: " + wrong[0].Detail + ".", fields: wrong}
	}
	return pixels, nil
}

// keyOf names a picture by what of it is read.
func keyOf(v *visual) string {
	sum := sha256.New()
	sum.Write(v.data)
	if !v.box.IsZero() {
		fmt.Fprint(sum, v.box)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func (e *Engine) encodePicture(ctx context.Context, pixels encoder.Pixels) (looked, error) {
	features, err := e.Images.Images(ctx, []encoder.Pixels{pixels})
	if err != nil {
		return looked{}, err
	}
	if len(features) != 1 {
		return looked{}, fmt.Errorf("%d embeddings for one picture", len(features))
	}
	f := features[0]
	return looked{embedding: f.Embedding, states: f.States}, nil
}

// reading is one pair after the second look, in the order of the request.
type reading struct {
	index       int
	view        int // which picture of the item
	itc         float64
	score       float64
	logit       *float32 // nil where it was not read
	logits      *encoder.Logits
	probability *float64
}

// standing are readings, best first, and how far they came.
type standing struct {
	readings []reading
	part     Part
	err      error // why it stopped; for the log
}

// stateReader reads a text with pictures whose patch states come from src;
// rerank.Reranker is one.
type stateReader interface {
	RerankFrom(ctx context.Context, q encoder.Query, cands []rerank.Candidate, src rerank.FeatureSource) rerank.Outcome
}

// readPictures reads one text with many pictures.
func (e *Engine) readPictures(ctx context.Context, q query, pictures []looked) standing {
	cands, views := make([]rerank.Candidate, len(pictures)), make([]int, len(pictures))
	src := overlay{fresh: map[string]encoder.States{}, stored: e.States}
	for i, p := range pictures {
		cands[i].ID, cands[i].ITC = place4(i), -1
		if p.embedding == nil {
			continue
		}
		cands[i].Picture, views[i], cands[i].ITC = p.nearest(q.embedding)
		if p.item == nil {
			src.fresh[p.key] = p.states
		}
	}
	slices.SortStableFunc(cands, func(a, b rerank.Candidate) int { return cmp.Compare(b.ITC, a.ITC) })
	out := unread(cands, rerank.Outcome{Stopped: rerank.StoppedDisabled})
	if r, ok := e.Reranker.(stateReader); ok {
		out = r.RerankFrom(ctx, q.tokens, cands, src)
	}
	return rankedOf(out, views)
}

// readTexts reads one picture with many texts.
func (e *Engine) readTexts(ctx context.Context, image looked, cands []rerank.TextCandidate) standing {
	slices.SortStableFunc(cands, func(a, b rerank.TextCandidate) int { return cmp.Compare(b.ITC, a.ITC) })
	first := make([]rerank.Candidate, len(cands))
	for i, c := range cands {
		first[i] = c.Candidate
	}
	none := make([]int, len(cands))
	if e.Titles == nil {
		return rankedOf(unread(first, rerank.Outcome{Stopped: rerank.StoppedDisabled}), none)
	}
	states := image.states
	if image.item != nil {
		stored, ok, err := e.states(ctx, seen{key: image.key})
		switch {
		case err != nil && ctx.Err() == nil:
			err = fmt.Errorf("patch states of the query: %w", err)
			return rankedOf(unread(first, rerank.Outcome{Of: len(cands), Stopped: rerank.StoppedFailed, Err: err}), none)
		case !ok && err == nil:
			return rankedOf(unread(first, rerank.Outcome{Of: len(cands), Stopped: rerank.StoppedMissing}), none)
		}
		states = stored
	}
	return rankedOf(e.Titles.RerankTexts(ctx, states, cands), none)
}

// overlay gives patch states of pictures that came with a request, and of others
// those that are stored.
type overlay struct {
	fresh  map[string]encoder.States
	stored StateSource
}

// Get returns the states of a picture by its key.
func (o overlay) Get(ctx context.Context, key string) (features.Record, bool, error) {
	if states, ok := o.fresh[key]; ok {
		return features.Record(states), true, nil
	}
	if o.stored == nil || key == "" {
		return features.Record{}, false, nil
	}
	return o.stored.Get(ctx, key)
}

// place4 is an id that sorts as its number does: ties stand as they came.
func place4(i int) string { return fmt.Sprintf("%04d", i) }

func rankedOf(out rerank.Outcome, views []int) standing {
	all := standing{part: partOf(out), err: out.Err, readings: make([]reading, len(out.Hits))}
	for i, h := range out.Hits {
		at, _ := strconv.Atoi(h.ID) // place4 made it
		r := reading{index: at, view: views[at], itc: h.ITC, score: h.Score, logit: h.Logit, probability: h.Probability}
		if h.Logit != nil {
			r.logits = &encoder.Logits{*h.Logit - float32(h.Margin), *h.Logit}
		}
		all.readings[i] = r
	}
	return all
}
