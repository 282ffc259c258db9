package worker_test

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sightline/indexer"
	"sightline/indexer/queue"
	"sightline/indexer/shopify"
	"sightline/indexer/worker"
	"sightline/store"
	"sightline/store/change"
)

func keysOf(e store.Entry) []string {
	keys := []string{e.Picture}
	for _, v := range e.Views {
		keys = append(keys, v.Picture)
	}
	return keys
}

func equal(a, b []string) bool { return slices.Equal(a, b) }

func distinct(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// TestOrder does jobs of one item in their order, each of them twice: the
// second time changes nothing and says so.
func TestOrder(t *testing.T) {
	newer := mug()
	newer.Version, newer.Title = 4, "Newer"
	older := mug()
	older.Version = 2
	s := newShop()
	w := s.worker()
	for _, step := range []struct {
		change        change.Change
		first, second string
	}{
		{remove("mug"), "missing", "missing"},
		{put(mug()), "created", "unchanged"},
		{patch("mug", `{"title":"Cup"}`), "written", "unchanged"},
		{put(older), "unchanged: version 2 is older than version 3 in the index", "unchanged: version 2 is older than version 3 in the index"},
		{put(newer), "written", "unchanged"},
		{remove("mug"), "deleted", "missing"},
		{
			put(mug()), "unchanged: version 3 is older than that of the item that was deleted; give a newer one",
			"unchanged: version 3 is older than that of the item that was deleted; give a newer one",
		},
		{put(newer), "created", "unchanged"},
		{put(store.Item{ID: "cup", Image: "https://x/cup.jpg"}), "created", "unchanged"},
		{patch("cup", `{"price":1}`), "written", "unchanged"},
	} {
		want(t, w, job(t, step.change), step.first)
		before := s.items()
		want(t, w, job(t, step.change), step.second)
		if after := s.items(); !reflect.DeepEqual(before, after) {
			t.Errorf("%+v: doing it twice changed %+v to %+v", step.change, before, after)
		}
	}
	if got := slices.Sorted(maps.Keys(s.items())); !equal(got, []string{"cup", "mug"}) || s.items()["mug"].Item.Title != "Newer" {
		t.Errorf("%v", s.items())
	}
}

func TestPutPictures(t *testing.T) {
	uploaded := change.Stored(keyOf("upload"))
	for name, c := range map[string]struct {
		image        string
		images, list []string
		want         []string // pictures
		imageAfter   string
	}{
		"of the item":        {image: "https://x/1", images: []string{"https://x/2", "", "https://x/1"}, want: []string{"https://x/1", "https://x/2"}, imageAfter: "https://x/1"},
		"given beside":       {image: "https://x/1", list: []string{uploaded, "https://x/3"}, want: []string{uploaded, "https://x/3"}, imageAfter: "https://x/1"},
		"inside":             {image: "data:image/png;base64,AA", want: []string{"data:image/png;base64,AA"}},
		"an upload as image": {image: uploaded, images: []string{uploaded, "https://x/2"}, want: []string{uploaded, "https://x/2"}},
		"of the feed":        {image: "shoes/mug.jpg", want: []string{"of the feed"}, imageAfter: "shoes/mug.jpg"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop()
			s.upsert(store.Entry{Item: store.Item{ID: "mug", Image: "shoes/mug.jpg"}, Picture: keyOf("of the feed")})
			ch := put(store.Item{ID: "mug", Title: "new", Image: c.image, Images: c.images})
			ch.Images = c.list
			want(t, s.worker(), job(t, ch), "written")
			for i := range c.want {
				c.want[i] = keyOf(c.want[i])
			}
			e := s.items()["mug"]
			if got := keysOf(e); !equal(got, c.want) || e.Item.Image != c.imageAfter {
				t.Errorf("pictures %v of image %q, want %v, %q", got, e.Item.Image, c.want, c.imageAfter)
			}
			if strings.Contains(strings.Join(e.Item.Images, " "), "stored:") {
				t.Errorf("the catalogue names an upload: %v", e.Item.Images)
			}
		})
	}
}

func TestPutRefused(t *testing.T) {
	many := make([]string, 25)
	for i := range many {
		many[i] = "https://x/" + strings.Repeat("i", i+1)
	}
	s := newShop()
	want(t, s.worker(), job(t, put(store.Item{ID: "a", Image: "https://x/1", Currency: "euro"})), "", "dead item: ", `"currency"`)
	want(t, s.worker(), job(t, put(store.Item{ID: "a"})), "", "dead fetch: ", "no picture")
	for _, image := range []string{"/etc/passwd", "mug.jpg", "file:///etc/passwd", "ftp://x/y"} {
		want(t, s.worker(), job(t, put(store.Item{ID: "a", Image: image})), "", "dead fetch: ", image)
	}
	want(t, s.worker(), job(t, put(store.Item{ID: "a", Image: many[0], Images: many[1:]})), "created")
	if got := keysOf(s.items()["a"]); len(got) != store.MaxViews+1 {
		t.Errorf("%d pictures", len(got))
	}
}

func TestIfMatch(t *testing.T) {
	s := newShop()
	w := s.worker()
	want(t, w, job(t, put(mug())), "created")
	etag := change.ETag(s.items()["mug"])
	with := func(c change.Change, ifMatch string) queue.Job {
		c.IfMatch = ifMatch
		return job(t, c)
	}
	other := put(store.Item{ID: "cup", Image: "https://x/cup.jpg"})
	for _, step := range []struct {
		job     queue.Job
		outcome string
		problem []string
	}{
		{with(other, "*"), "", []string{"dead precondition: ", `no item "cup"`}},
		{with(remove("cup"), etag), "missing", nil},
		{with(patch("mug", `{"price":1}`), `"old"`), "", []string{"dead precondition: ", etag}},
		{with(patch("mug", `{"price":"x"}`), `"old"`), "", []string{"dead precondition: "}},
		{with(patch("mug", `{"price":"x"}`), etag), "", []string{"dead item: "}},
		{with(patch("mug", `{"price":1}`), "W/"+etag), "", []string{"dead precondition: "}},
		{with(patch("mug", `{"price":1}`), `"old", `+etag), "written", nil},
		{with(patch("mug", `{"price":2}`), etag), "", []string{"dead precondition: "}},
		// The worker that had written it was killed before it said so.
		{with(patch("mug", `{"price":1}`), etag), "unchanged", nil},
		{with(patch("mug", `{"price":3}`), "*"), "written", nil},
		{with(remove("mug"), `"old"`), "", []string{"dead precondition: "}},
		{with(remove("mug"), "*"), "deleted", nil},
		{with(remove("mug"), "*"), "missing", nil},
	} {
		want(t, w, step.job, step.outcome, step.problem...)
	}
}

// TestIfMatchDone: a put that If-Match does not allow counts as done only where
// also the uploaded pictures are those of the item.
func TestIfMatchDone(t *testing.T) {
	s := newShop()
	w := s.worker()
	c := put(mug())
	c.Images = []string{change.Stored(keyOf("upload"))}
	want(t, w, job(t, c), "created")
	c.IfMatch = `"old"`
	want(t, w, job(t, c), "unchanged")
	c.Images = []string{change.Stored(keyOf("another"))}
	want(t, w, job(t, c), "", "dead precondition: ")
}

// TestBroken: a dependency that stays broken is a failure that may be repeated,
// whose cause users do not get to see.
func TestBroken(t *testing.T) {
	broken := errors.New("disk on fire")
	s := newShop()
	want(t, s.worker(), job(t, put(mug())), "created")
	for name, spoil := range map[string]func(){
		"get":    func() { s.onGet = func() error { return broken } },
		"do":     func() { s.onDo = func(indexer.Record) (indexer.Outcome, error) { return indexer.Outcome{}, broken } },
		"delete": func() { s.onDelete = func() error { return broken } },
	} {
		s.onGet, s.onDo, s.onDelete = nil, nil, nil
		spoil()
		c := put(mug())
		if name == "delete" {
			c = remove("mug")
		}
		var told []error
		w := worker.New(worker.Parts{Importer: s, Index: s}, worker.Options{Patience: time.Nanosecond, Trouble: func(err error) { told = append(told, err) }})
		want(t, w, job(t, c), "", "again dependency: ")
		if _, problem := handle(t, w, job(t, c)); strings.Contains(problem, broken.Error()) {
			t.Errorf("%s: users are told %q", name, problem)
		}
		if len(told) != 2 || !errors.Is(told[0], broken) {
			t.Errorf("%s: the log is told %v", name, told)
		}
	}
}

// TestPatience: an outage that ends within the patience costs no attempt.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, tries := newShop(), 0
		s.onGet = func() error {
			if tries++; tries < 6 {
				return errors.New("away")
			}
			return nil
		}
		w := worker.New(worker.Parts{Importer: s, Index: s}, worker.Options{})
		begin := time.Now()
		want(t, w, job(t, put(mug())), "created")
		if took := time.Since(begin); took != 31*time.Second {
			t.Errorf("five failures took %s", took)
		}
		s.onGet = func() error { return errors.New("away") }
		begin = time.Now()
		want(t, w, job(t, put(mug())), "", "again dependency: ")
		if took := time.Since(begin); took > 10*time.Minute || took < 9*time.Minute {
			t.Errorf("gave up after %s", took)
		}
	})
}

// TestUnversioned: a write without a version wins over counted versions, and
// against versions that are times it counts as of its own.
func TestUnversioned(t *testing.T) {
	at := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	before, after := at.Add(-time.Minute).UnixMicro(), at.Add(time.Minute).UnixMicro()
	for name, c := range map[string]struct {
		stored int64
		change change.Change
		end    string
		want   int64
	}{
		"put over none":          {0, put(store.Item{ID: "mug", Title: "new", Image: "https://x/1"}), "written", 0},
		"put over a count":       {7, put(store.Item{ID: "mug", Title: "new", Image: "https://x/1"}), "written", 7},
		"put over a time":        {before, put(store.Item{ID: "mug", Title: "new", Image: "https://x/1"}), "written", at.UnixMicro()},
		"put over a later time":  {after, put(store.Item{ID: "mug", Title: "new", Image: "https://x/1"}), "unchanged", after},
		"patch of a count":       {7, patch("mug", `{"title":"new"}`), "written", 7},
		"patch of a time":        {before, patch("mug", `{"title":"new"}`), "written", at.UnixMicro()},
		"patch of a later time":  {after, patch("mug", `{"title":"new"}`), "written", after},
		"patch that names one":   {7, patch("mug", `{"title":"new","version":6}`), "unchanged", 7},
		"patch that names a new": {7, patch("mug", `{"title":"new","version":8}`), "written", 8},
	} {
		s := newShop()
		item := mug()
		item.Version = c.stored
		want(t, s.worker(), job(t, put(item)), "created")
		j := job(t, c.change)
		j.CreatedAt = at
		outcome, problem := handle(t, s.worker(), j)
		got := s.items()["mug"].Item
		if word, _, _ := strings.Cut(outcome, ":"); word != c.end || problem != "" || got.Version != c.want {
			t.Errorf("%s: %q, %q, version %d; want %s and %d", name, outcome, problem, got.Version, c.end, c.want)
		}
		if c.end == "written" && !got.UpdatedAt.Equal(at) {
			t.Errorf("%s: updated at %s", name, got.UpdatedAt)
		}
	}
}

func TestUnknownJobs(t *testing.T) {
	w := newShop().worker()
	for name, c := range map[string]struct {
		job  queue.Job
		want []string
	}{
		"kind":          {queue.Job{Kind: "import"}, []string{"dead job: ", `"import"`}},
		"change":        {queue.Job{Kind: change.Kind, Payload: []byte(`{"format":1,"op":"drop","id":"a"}`)}, []string{"dead job: ", "drop"}},
		"newer change":  {queue.Job{Kind: change.Kind, Payload: []byte(`{"format":2,"op":"delete","id":"a"}`)}, []string{"dead job: ", "update it"}},
		"shopify":       {queue.Job{Kind: shopify.Kind, Payload: []byte(`{`)}, []string{"dead job: "}},
		"newer shopify": {queue.Job{Kind: shopify.Kind, Payload: []byte(`{"format":2}`)}, []string{"dead job: ", "update it"}},
	} {
		t.Run(name, func(t *testing.T) { want(t, w, c.job, "", c.want...) })
	}
}

func TestObserve(t *testing.T) {
	s := newShop()
	var seen []worker.Observation
	w := worker.New(worker.Parts{Importer: s, Index: s}, worker.Options{Patience: time.Nanosecond, Observe: func(o worker.Observation) {
		if o.Took < 0 {
			t.Errorf("%+v", o)
		}
		o.Took = 0
		seen = append(seen, o)
	}})
	for _, j := range []queue.Job{
		job(t, put(mug())), job(t, put(store.Item{ID: "mug", Image: "https://x/1"})), job(t, put(store.Item{ID: "a"})),
		job(t, remove("mug")), job(t, remove("mug")),
	} {
		handle(t, w, j)
	}
	handle(t, w, queue.Job{Kind: "other"})
	s.onGet = func() error { return errors.New("broken") }
	handle(t, w, job(t, put(mug())))
	want := []worker.Observation{
		{Kind: change.Kind, Outcome: worker.Created},
		{Kind: change.Kind, Outcome: worker.Written},
		{Kind: change.Kind, Outcome: worker.Failed, Stage: "fetch", Permanent: true},
		{Kind: change.Kind, Outcome: worker.Deleted},
		{Kind: change.Kind, Outcome: worker.Missing},
		{Kind: "unknown", Outcome: worker.Failed, Stage: worker.StageJob, Permanent: true},
		{Kind: change.Kind, Outcome: worker.Failed, Stage: worker.StageDependency},
	}
	if !reflect.DeepEqual(seen, want) {
		t.Errorf("got  %+v\nwant %+v", seen, want)
	}
}

// TestFeedOfATime: an item of a feed leaves alone what is newer than the feed,
// is not written where it says nothing new, and keeps Shopify's number.
func TestFeedOfATime(t *testing.T) {
	noon := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	before, after := noon.Add(-time.Minute), noon.Add(time.Minute)
	for name, c := range map[string]struct {
		version int64
		updated time.Time
		title   string
		end     string
		want    int64
	}{
		"older webhook":     {before.UnixMicro(), before, "new", "written", noon.UnixMicro()},
		"newer webhook":     {after.UnixMicro(), after, "new", "unchanged: the item in the index is newer than the feed", after.UnixMicro()},
		"older put":         {0, before, "new", "written", 0},
		"newer put":         {0, after, "new", "unchanged: the item in the index is newer than the feed", 0},
		"nothing new":       {before.UnixMicro(), before, "old", "unchanged", before.UnixMicro()},
		"a counted version": {7, before, "new", "written", 7},
	} {
		s := newShop()
		item := store.Item{
			ID: "mug", Title: "old", Image: "https://x/mug.jpg", Version: c.version, UpdatedAt: c.updated,
			Attributes: map[string]any{shopify.AttributeID: "6"},
		}
		want(t, s.worker(), job(t, put(item)), "created")
		row := put(store.Item{ID: "mug", Title: c.title, Image: "https://x/mug.jpg"})
		row.AsOf = noon
		j := job(t, row)
		j.CreatedAt = after.Add(time.Minute)
		outcome, problem := handle(t, s.worker(), j)
		got := s.items()["mug"].Item
		if outcome != c.end || problem != "" || got.Version != c.want || got.Attributes[shopify.AttributeID] != "6" {
			t.Errorf("%s: %q, %q, %+v; want %q and version %d", name, outcome, problem, got, c.end, c.want)
		}
	}
}
