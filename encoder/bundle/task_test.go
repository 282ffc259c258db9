package bundle_test

import (
	"strings"
	"testing"

	"sightline/encoder/bundle"
)

// writer is base made a model that writes.
func writer(t testing.TB, task string) bundle.Manifest {
	t.Helper()
	m := base(t)
	m.Task, m.Embedding = task, 0
	m.Decoder = &bundle.Decoder{Width: 768, Begin: 30522, End: 102}
	m.Generation = &bundle.Generation{Prompt: "a picture of ", Beams: 3, MinLength: 5, MaxLength: 20, RepetitionPenalty: 1, LengthPenalty: 1}
	return sealed(t, m)
}

// TestOldFingerprints: that of a retrieval model is what it was before there were
// tasks, with and without one named.
func TestOldFingerprints(t *testing.T) {
	const old = "92d7b3de5ac7a1b9340fd4adf8ec6983"
	m := base(t)
	if m.Fingerprint != old {
		t.Errorf("fingerprint %s, was %s: every index would be lost", m.Fingerprint, old)
	}
	m.Task = ""
	read, err := bundle.Parse(encode(t, m))
	if err != nil || read.Task != bundle.Retrieval || read.Fingerprint != old {
		t.Errorf("without a task: %+v (%v)", read, err)
	}
}

func TestTasks(t *testing.T) {
	for _, task := range []string{bundle.Captioning, bundle.Answering} {
		m := writer(t, task)
		read, err := bundle.Parse(encode(t, m))
		if err != nil || *read.Decoder != *m.Decoder || *read.Generation != *m.Generation {
			t.Errorf("%s: %+v (%v)", task, read, err)
		}
	}
	captioner, answerer := writer(t, bundle.Captioning), writer(t, bundle.Answering)
	if captioner.Fingerprint == answerer.Fingerprint || captioner.Fingerprint == base(t).Fingerprint {
		t.Error("tasks share a fingerprint")
	}
	other := writer(t, bundle.Captioning)
	other.Generation.Beams, other.Generation.Prompt = 1, ""
	if sealed(t, other).Fingerprint != captioner.Fingerprint {
		t.Error("how a model would write changes the fingerprint")
	}
	other.Decoder.Begin = 101
	if sealed(t, other).Fingerprint == captioner.Fingerprint {
		t.Error("another first token leaves the fingerprint")
	}
}

func TestBadTasks(t *testing.T) {
	tests := map[string]struct {
		task string
		edit func(m *bundle.Manifest)
		want string
	}{
		"unknown":            {"translation", func(*bundle.Manifest) {}, "translation"},
		"no decoder":         {bundle.Captioning, func(m *bundle.Manifest) { m.Decoder = nil }, "without decoder"},
		"no generation":      {bundle.Answering, func(m *bundle.Manifest) { m.Generation = nil }, "without decoder or generation"},
		"retrieval with one": {bundle.Retrieval, func(m *bundle.Manifest) { m.Embedding = 256 }, "with a decoder"},
		"width":              {bundle.Captioning, func(m *bundle.Manifest) { m.Decoder.Width = 1024 }, "decoder.width"},
		"width of text":      {bundle.Answering, func(m *bundle.Manifest) { m.Vision.Width, m.Decoder.Width = 1024, 1024 }, "decoder.width"},
		"begin":              {bundle.Captioning, func(m *bundle.Manifest) { m.Decoder.Begin = 30524 }, "30524"},
		"end":                {bundle.Captioning, func(m *bundle.Manifest) { m.Decoder.End = -1 }, "-1"},
		"no beams":           {bundle.Captioning, func(m *bundle.Manifest) { m.Generation.Beams = 0 }, "beams"},
		"many beams":         {bundle.Captioning, func(m *bundle.Manifest) { m.Generation.Beams = 1000 }, "beams"},
		"too long":           {bundle.Captioning, func(m *bundle.Manifest) { m.Generation.MaxLength = 513 }, "513"},
		"too short":          {bundle.Captioning, func(m *bundle.Manifest) { m.Generation.MaxLength = 1 }, "max_length"},
		"min above max":      {bundle.Captioning, func(m *bundle.Manifest) { m.Generation.MinLength = 21 }, "min_length"},
		"penalty":            {bundle.Captioning, func(m *bundle.Manifest) { m.Generation.RepetitionPenalty = 0 }, "repetition_penalty"},
	}
	for name, test := range tests {
		m := writer(t, test.task)
		test.edit(&m)
		if _, err := bundle.Parse(encode(t, sealed(t, m))); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, test.want)
		}
	}
}

func TestRequire(t *testing.T) {
	m := writer(t, bundle.Answering)
	if err := m.Require(bundle.Answering); err != nil {
		t.Error(err)
	}
	if err := (bundle.Manifest{}).Require(bundle.Retrieval); err != nil {
		t.Error(err)
	}
	for task, fix := range map[string]string{bundle.Retrieval: "blip-itm-", bundle.Captioning: "blip-image-captioning-"} {
		err := m.Require(task)
		if err == nil || !strings.Contains(err.Error(), "is for answering") || !strings.Contains(err.Error(), task) || !strings.Contains(err.Error(), fix) {
			t.Errorf("%s: error %v", task, err)
		}
	}
}
