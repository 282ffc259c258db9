package indexer

import (
	"context"
	"fmt"
	"maps"
	"time"
)

// fetch finds out what is to be done for a row: nothing (the item is finished
// here), new fields beside the stored embeddings, or some of its pictures to go
// through the vision tower. It takes them one after the other and hands each on
// at once, so that it never holds more than one.
func (p *pipe) fetch(ctx context.Context, j *job) error {
	if p.over(j) {
		p.drop(j)
		return nil
	}
	bound, release := j.bound(ctx)
	defer release()
	err := p.prepare(bound, j)
	fault, isFault := asFault(err)
	switch {
	case isFault:
		p.failed(j, fault)
	case err != nil && j.left(): // whatever else was the matter
		p.drop(j)
	case err != nil:
		return err
	}
	return nil
}

func (p *pipe) prepare(ctx context.Context, j *job) error {
	start := time.Now()
	err := p.compare(ctx, j)
	p.clock.spent(StageFetch, start)
	if err != nil || j.done.Load() {
		return err
	}
	all := images(j.record)
	if len(all) == 0 {
		return fetchFault("has no picture; give \"image\" as a path relative to the feed or as a data: URL")
	}
	j.waiting.Store(1)
	for i, image := range all {
		if p.over(j) {
			p.drop(j)
			return nil
		}
		if err := p.take(ctx, &shot{job: j, number: i + 1, image: image}); err != nil {
			return err
		}
	}
	return p.arrived(ctx, j)
}

// compare looks up what the index holds for the item, and completes the row
// with it. An item that is newer there is left alone.
func (p *pipe) compare(ctx context.Context, j *job) error {
	j.item = j.record.Item
	j.dated = j.item.Version == 0 && !p.ix.options.AsOf.IsZero()
	if err := j.item.Validate(); err != nil {
		return &Fault{Stage: StageFeed, Err: err}
	}
	found, err := p.ix.parts.Index.Get(ctx, []string{j.item.ID})
	switch {
	case err != nil:
		return fmt.Errorf("look up %q in the index: %w", j.item.ID, err)
	case len(found) == 0:
		return nil
	}
	j.old = &found[0]
	if reason := p.late(j); reason != "" {
		p.finish(j, Outcome{State: Unchanged, Reason: reason})
		return nil
	}
	return p.takeOver(j)
}

// late says why the row comes too late for what the index holds; "" if it does
// not.
func (p *pipe) late(j *job) string {
	if j.dated {
		version, ok := j.item.Dated(j.old.Item, p.ix.options.AsOf)
		if j.item.Version = version; !ok {
			return "the item in the index is newer than the feed"
		}
		return ""
	}
	if own, stored := j.item.Version, j.old.Item.Version; own < stored {
		return fmt.Sprintf("version %d is older than version %d in the index", own, stored)
	}
	return ""
}

// takeOver gives the item the attributes of Options.Keep that it lacks.
func (p *pipe) takeOver(j *job) error {
	shared := true // with the record
	for _, name := range p.ix.options.Keep {
		value, stored := j.old.Item.Attributes[name]
		if _, given := j.item.Attributes[name]; given || !stored {
			continue
		}
		if shared {
			j.item.Attributes, shared = maps.Clone(j.item.Attributes), false
		}
		if j.item.Attributes == nil {
			j.item.Attributes = map[string]any{}
		}
		j.item.Attributes[name] = value
	}
	if shared {
		return nil
	}
	if err := j.item.Validate(); err != nil { // there may be too many now
		return &Fault{Stage: StageFeed, Err: err}
	}
	return nil
}

// take finds a picture and sends it ahead if it has to be encoded. Without the
// main one there is no item; another one that fails is left out.
func (p *pipe) take(ctx context.Context, s *shot) error {
	j := s.job
	start := time.Now()
	err := p.find(ctx, s)
	p.clock.spent(StageFetch, start)
	fault, isFault := asFault(err)
	switch {
	case isFault && s.number > 1:
		s.fault, s.data = fault, nil
	case err != nil:
		return err
	case s.again:
		return nil
	}
	j.shots = append(j.shots, s)
	if s.data == nil {
		return nil
	}
	j.waiting.Add(1)
	return send(ctx, p.loaded, s)
}

// find gets the key of a picture, and its embedding if the stored item has it,
// else its bytes. Patch states that were lost count as a change, so that running
// an import again heals them.
func (p *pipe) find(ctx context.Context, s *shot) error {
	j := s.job
	if err := p.locate(ctx, s); err != nil {
		return err
	}
	s.again = j.has(s.key)
	if known := j.known(s.key); len(known) > 0 && !s.again && p.ix.parts.Features.Has(s.key) {
		s.embedding = known
	}
	if s.again || s.embedding != nil {
		s.data = nil
		return p.note(ctx, s)
	}
	s.fresh = true
	if p.ix.options.DryRun {
		s.data = nil
		return nil
	}
	if s.data == nil {
		return p.load(ctx, s)
	}
	return nil
}

// arrived is called by whoever is done with a picture of a job. The last one
// decides what becomes of the item.
func (p *pipe) arrived(ctx context.Context, j *job) error {
	if j.waiting.Add(-1) > 0 || j.done.Load() {
		return nil
	}
	switch fault := j.compose(p.fingerprint); {
	case fault != nil:
		p.failed(j, fault)
	case j.unchanged():
		p.finish(j, Outcome{State: Unchanged, Warnings: j.warnings()})
	case p.ix.options.DryRun:
		p.written(j)
	default:
		return send(ctx, p.ready, j)
	}
	return nil
}

// unchanged compares the composed entry with the stored one. A newer version of
// the same content is written, since late news of a version between the two must
// find it there; the version of a whole feed is not, as every feed would then
// rewrite the catalogue.
func (j *job) unchanged() bool {
	if j.old == nil || j.old.ContentHash != j.entry.ContentHash || j.old.Item.Version != j.item.Version && !j.dated {
		return false
	}
	return !j.encoded()
}
