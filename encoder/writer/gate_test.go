package writer_test

import (
	"context"
	"errors"
	"testing"

	"sightline/encoder"
	"sightline/encoder/writer"
)

// TestGateBreaksOffWhatIsBehind: a run under way ends when somebody goes ahead, and
// is done again in the gap.
func TestGateBreaksOffWhatIsBehind(t *testing.T) {
	var g writer.Gate
	under := make(chan struct{}, 1)
	tries := 0
	done := make(chan error)
	go func() {
		done <- g.Do(t.Context(), "step", func(ctx context.Context) error {
			if tries++; tries > 1 {
				return nil
			}
			under <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	<-under
	g.Ahead()()
	if err := <-done; err != nil || tries != 2 {
		t.Errorf("%d tries, error %v", tries, err)
	}
	if s := g.Stats(); s.GaveWay != 1 || s.Runs["step"] != 1 {
		t.Errorf("stats %+v", s)
	}
}

// TestGateHasAnEnd: without a gap a run goes on all the same, and is then not
// broken off.
func TestGateHasAnEnd(t *testing.T) {
	var g writer.Gate
	defer g.Ahead()()
	err := g.Do(t.Context(), "step", func(ctx context.Context) error {
		g.Ahead()()
		return ctx.Err()
	})
	if s := g.Stats(); err != nil || s.GaveWay != 0 || s.Waited == 0 {
		t.Errorf("error %v, stats %+v", err, s)
	}
}

func TestGateKeepsErrors(t *testing.T) {
	var g writer.Gate
	bad := errors.New("bad")
	if err := g.Do(t.Context(), "x", func(context.Context) error { return bad }); !errors.Is(err, bad) {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	defer g.Ahead()()
	if err := g.Do(ctx, "x", func(context.Context) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("after the caller left: %v", err)
	}
}

// device runs graphs by saying which.
type device struct{ closed bool }

func (d *device) Load(_ context.Context, path string) (encoder.Session, error) {
	return graph(path), nil
}
func (*device) Device() string { return "test" }
func (d *device) Close() error { d.closed = true; return nil }

type graph string

func (g graph) Run(ctx context.Context, _ ...encoder.Tensor) ([]encoder.Tensor, error) {
	return []encoder.Tensor{{Name: string(g)}}, ctx.Err()
}
func (graph) Close() error { return nil }

func TestBehind(t *testing.T) {
	var g writer.Gate
	d := &device{}
	rt := g.Behind(d)
	s, err := rt.Load(t.Context(), "/models/captioner/caption_step.onnx")
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Run(t.Context())
	if err != nil || len(out) != 1 || g.Stats().Runs["caption_step"] != 1 {
		t.Errorf("%v, %v, %+v", out, err, g.Stats())
	}
	if err := errors.Join(s.Close(), rt.Close()); err != nil || d.closed {
		t.Errorf("closed %t, error %v: the device is others' too", d.closed, err)
	}
}
