package milvus

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/milvus-io/milvus-sdk-go/v2/entity"

	"sightline/store"
)

// Collections implements store.Collections on one Milvus. All methods may be
// called at the same time, by several processes too; where two of them Switch
// and Drop at once, the second is refused by servers only.
type Collections struct {
	server *server

	mu     sync.Mutex // one Open, Switch or Drop at a time; guards states
	states map[string]*state
}

var _ store.Collections = (*Collections)(nil)

// Open connects to Milvus and makes the register where there is none. Where
// Milvus does not answer within ConnectTimeout the error wraps ErrUnavailable.
func Open(ctx context.Context, o Options) (*Collections, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s, err := dial(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("open milvus: %w", err)
	}
	flat, err := entity.NewIndexFlat(metric)
	if err == nil {
		err = s.ensure(ctx, registerSchema(s.register()), flat)
	}
	if err != nil {
		return nil, fmt.Errorf("open milvus: %w", errors.Join(err, s.close()))
	}
	return &Collections{server: s, states: make(map[string]*state)}, nil
}

// Close flushes what was written to Milvus Lite and ends the connection. Close
// the Indexes first: their methods return ErrClosed afterwards.
func (c *Collections) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, st := range c.states {
		st.end()
	}
	return c.server.close()
}

// Open implements store.Collections. A collection that is made takes a second on
// a server.
func (c *Collections) Open(ctx context.Context, fingerprint string, dim int) (store.Index, error) {
	if err := store.ValidateFingerprint(fingerprint); err != nil {
		return nil, err
	}
	if dim < 1 || dim > 32_768 {
		return nil, fmt.Errorf("%w collection: it needs 1 to 32768 dimensions", store.ErrInvalid)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(ctx); err != nil {
		return nil, err
	}
	st, err := c.open(ctx, fingerprint, dim)
	if err != nil {
		return nil, fmt.Errorf("open collection of model %q: %w", fingerprint, err)
	}
	return &Index{state: st, dim: dim, fingerprint: fingerprint}, nil
}

func (c *Collections) usable(ctx context.Context) error {
	if c.server.base.Err() != nil {
		return store.ErrClosed
	}
	return ctx.Err()
}

// open makes what is missing in an order that an interrupted call can be
// repeated from: the register names a collection last, and the alias comes
// after that. The caller holds mu.
func (c *Collections) open(ctx context.Context, fingerprint string, dim int) (*state, error) {
	models, err := c.models(ctx)
	if err != nil {
		return nil, err
	}
	name := c.server.itemsOf(fingerprint)
	known, registered := models[name]
	switch {
	case registered && known.fingerprint != fingerprint:
		return nil, fmt.Errorf("%w: collection %s is of model %q", store.ErrFingerprint, name, known.fingerprint)
	case registered && known.dim != dim:
		return nil, fmt.Errorf("%w: its embeddings have %d dimensions, not %d", store.ErrFingerprint, known.dim, dim)
	}
	st := c.states[name]
	if st == nil {
		st = newState(c.server, name)
	}
	if err := c.make(ctx, st, dim); err != nil {
		return nil, err
	}
	if !registered {
		if err := c.enter(ctx, name, model{fingerprint, dim}); err != nil {
			return nil, err
		}
	}
	if len(models) == 0 || len(models) == 1 && registered {
		if err := c.becomeFirst(ctx, name); err != nil {
			return nil, err
		}
	}
	c.states[name] = st
	return st, nil
}

// make makes the collections where they are missing. Tombstones and views
// without items are left over from a Drop that was interrupted.
func (c *Collections) make(ctx context.Context, st *state, dim int) error {
	index, err := c.server.itemIndex()
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	flat, err := entity.NewIndexFlat(metric)
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	has, err := c.server.has(ctx, st.items)
	if err == nil && !has {
		err = errors.Join(c.server.drop(ctx, st.tombs), c.server.drop(ctx, st.views))
	}
	if err != nil {
		return err
	}
	for _, schema := range []*entity.Schema{itemSchema(st.items, dim), viewSchema(st.views, dim)} {
		if err := c.server.ensure(ctx, schema, index); err != nil {
			return err
		}
	}
	return c.server.ensure(ctx, tombSchema(st.tombs), flat)
}

func (s *server) has(ctx context.Context, name string) (has bool, err error) {
	err = s.call(ctx, s.options.SearchTimeout, func(ctx context.Context) (err error) {
		has, err = s.HasCollection(ctx, name)
		return err
	})
	return has, err
}

// drop is without effect where there is no such collection.
func (s *server) drop(ctx context.Context, name string) error {
	return s.write(ctx, func(ctx context.Context) error {
		has, err := s.HasCollection(ctx, name)
		if err != nil || !has {
			return err
		}
		return s.DropCollection(ctx, name)
	})
}

// Current implements store.Collections.
func (c *Collections) Current(ctx context.Context) (string, error) {
	if err := c.usable(ctx); err != nil {
		return "", err
	}
	name, err := c.current(ctx)
	if err != nil || name == "" {
		return "", wrap("current collection", err)
	}
	models, err := c.models(ctx)
	return models[name].fingerprint, wrap("current collection", err)
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// List implements store.Collections.
func (c *Collections) List(ctx context.Context) ([]store.Collection, error) {
	if err := c.usable(ctx); err != nil {
		return nil, err
	}
	models, err := c.models(ctx)
	if err != nil {
		return nil, wrap("list collections", err)
	}
	current, err := c.current(ctx)
	if err != nil {
		return nil, wrap("list collections", err)
	}
	all := make([]store.Collection, 0, len(models))
	for name, m := range models {
		items, err := newState(c.server, name).countRows(ctx, name, always)
		if isNotFound(err) {
			continue // being dropped
		}
		if err != nil {
			return nil, wrap("list collections", err)
		}
		all = append(all, store.Collection{Fingerprint: m.fingerprint, Dim: m.dim, Items: items, Current: name == current})
	}
	store.SortCollections(all)
	return all, nil
}

// registered returns the names of a model's collection and of the current one.
// The caller holds mu.
func (c *Collections) registered(ctx context.Context, fingerprint string) (name, current string, err error) {
	if err := c.usable(ctx); err != nil {
		return "", "", err
	}
	models, err := c.models(ctx)
	if err != nil {
		return "", "", err
	}
	name = c.server.itemsOf(fingerprint)
	if models[name].fingerprint != fingerprint || fingerprint == "" {
		return "", "", fmt.Errorf("%w: there is none of this model", store.ErrInvalid)
	}
	current, err = c.current(ctx)
	return name, current, err
}

// Switch implements store.Collections. Searches that go on in a collection are
// not disturbed.
func (c *Collections) Switch(ctx context.Context, fingerprint string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	name, current, err := c.registered(ctx, fingerprint)
	if err == nil && name != current {
		err = c.point(ctx, name, current)
	}
	return wrap(fmt.Sprintf("switch to collection %q", fingerprint), err)
}

// Drop implements store.Collections. Indexes of it that are open fail from then
// on. The register forgets it last, so that a Drop that was interrupted can be
// repeated.
func (c *Collections) Drop(ctx context.Context, fingerprint string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	name, current, err := c.registered(ctx, fingerprint)
	if err == nil && name == current {
		// Lite would drop it with the alias.
		err = fmt.Errorf("%w: it is the current one; switch to another first", store.ErrInvalid)
	}
	if err == nil {
		err = c.remove(ctx, name)
	}
	return wrap(fmt.Sprintf("drop collection %q", fingerprint), err)
}

func (c *Collections) remove(ctx context.Context, name string) error {
	st := c.states[name]
	if st == nil {
		st = newState(c.server, name)
	}
	ctx, release, err := st.startWriting(ctx)
	if err != nil {
		return err
	}
	defer release()
	for _, collection := range []string{st.items, st.tombs, st.views} {
		if err := c.server.drop(ctx, collection); err != nil {
			return err
		}
	}
	st.flushes.rows = 0
	st.viewing.marked = false
	delete(c.states, name)
	return c.server.remove(ctx, c.server.register(), in(colID, []string{name}))
}
