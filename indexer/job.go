package indexer

import (
	"context"
	"slices"
	"sync/atomic"

	"sightline/encoder"
	"sightline/indexer/feed"
	"sightline/store"
)

// job is one item on its way through the stages. A fetcher makes it and sends
// its pictures ahead, one by one; whoever is done with the last of them goes on
// with the item.
type job struct {
	seq    int // place in the feed, of a Run
	record Record
	caller context.Context // of a Stream's; nil in a Run
	reply  chan Outcome    // of a Stream's; has room for the one outcome

	done  atomic.Bool // it has ended or was dropped
	fault *Fault      // why it failed; set before done

	item  store.Item   // the record's, completed
	dated bool         // it has no version and is as old as the feed, Options.AsOf
	old   *store.Entry // what the index held before; nil for nothing
	shots []*shot      // its pictures, each once; the main one is the first
	entry store.Entry  // what will be written
	// notice is what its labels ask people to look at; "" for nothing.
	notice string

	// waiting counts the pictures under way, and the fetcher.
	waiting atomic.Int32
}

// shot is one picture of a job on its way. It has one owner at a time; the job
// looks at it when it waits for none any more.
type shot struct {
	job    *job
	number int    // among the record's pictures, from 1
	image  string // where it is, as in Record.Image

	key       string // of the stored picture; "" if a dry run would have to fetch it
	embedding []float32
	fault     *Fault // it is left out
	again     bool   // the job has it already
	fresh     bool   // it has to go through the vision tower

	labelled *labelled // what it shows; nil where nobody has looked

	data   []byte // until it is decoded
	pixels encoder.Pixels
	states encoder.States
	origin *origin
}

// labelled is what a Labeller has said.
type labelled struct {
	names         []string
	rules, notice string
}

// left tells whether the job's caller has given up.
func (j *job) left() bool { return j.caller != nil && j.caller.Err() != nil }

// bound returns ctx so that it ends with the job's caller as well, and has its
// values.
func (j *job) bound(ctx context.Context) (context.Context, func()) {
	if j.caller == nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancel(onBehalf(ctx, j))
	stop := context.AfterFunc(j.caller, cancel)
	return ctx, func() { stop(); cancel() }
}

// images lists where a record's pictures are, the main one first.
func images(r Record) []string {
	all := r.Images
	if r.Image != "" && (len(all) == 0 || all[0] != r.Image) {
		all = append([]string{r.Image}, all...)
	}
	return all[:min(len(all), feed.MaxImages)]
}

// has tells whether a picture is among the job's.
func (j *job) has(key string) bool {
	return key != "" && slices.ContainsFunc(j.shots, func(s *shot) bool { return s.key == key })
}

// known is the embedding of a picture that the stored item has, wherever it
// stands there; nil if it has not.
func (j *job) known(key string) []float32 {
	switch {
	case j.old == nil || key == "":
		return nil
	case j.old.Picture == key:
		return j.old.Embedding
	}
	for _, v := range j.old.Views {
		if v.Picture == key {
			return v.Embedding
		}
	}
	return nil
}

// compose makes the entry of the pictures that are not left out.
func (j *job) compose(fingerprint string) *Fault {
	old := store.Item{}
	if j.old != nil {
		old = j.old.Item
	}
	if len(j.shots) > 0 { // in a dry run the key of a new picture is not known
		key := j.shots[0].key
		j.item = j.label(j.item.CarryCaption(old, key).CarryLabels(old, key))
	}
	j.entry = store.Entry{Item: j.item}
	keys := make([]string, 0, len(j.shots))
	for i, s := range j.shots {
		switch {
		case s.fault != nil || s.key != "" && slices.Contains(keys, s.key):
			continue
		case i == 0:
			j.entry.Picture, j.entry.Embedding = s.key, s.embedding
		default:
			j.entry.Views = append(j.entry.Views, store.View{Picture: s.key, Embedding: s.embedding})
		}
		keys = append(keys, s.key)
	}
	var err error
	if j.entry.ContentHash, err = j.item.ContentHash(fingerprint, keys...); err != nil {
		return &Fault{Stage: StageFeed, Err: err}
	}
	return nil
}

// label gives an item the labels of its first picture where that was judged. A
// correction by hand stays.
func (j *job) label(it store.Item) store.Item {
	found := j.shots[0].labelled
	if found == nil {
		return it
	}
	if made, ok := it.Labelling(); ok && made.ByHand {
		return it
	}
	with, ok := it.WithLabels(found.names, j.shots[0].key, found.rules)
	if !ok {
		j.notice = "not labelled: the item has too many attributes"
		return it
	}
	j.notice = found.notice
	return with
}

// warnings lists the pictures that are left out.
func (j *job) warnings() []Warning {
	var out []Warning
	for _, s := range j.shots {
		if f := s.fault; f != nil {
			out = append(out, Warning{Picture: s.number, Stage: f.Stage, Reason: f.Error(), Temporary: f.Temporary(), Err: causeOf(f)})
		}
	}
	return out
}
