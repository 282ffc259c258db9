package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/cmd/internal/cli"
	"sightline/cmd/internal/clitest"
	"sightline/encoder/bundle"
	"sightline/indexer"
	"sightline/store/embedded"
)

// TestMigrate goes to another model and back.
func TestMigrate(t *testing.T) {
	environ := clitest.Environ(t)
	model, other := twoModels(t)
	feed, data := shop(t, environ, model)
	to, back := []string{"--data", data, "--model", other}, []string{"--data", data, "--model", model}
	migrate := func(args ...string) result { return indexd(t, environ, append([]string{"migrate"}, args...)...) }

	migrate(append(to, "--estimate")...).says(t, cli.ExitOK, "3 items, 3 pictures", "0 items up to date, 3 to embed (3 pictures)", "pictures/s, measured on 3", "free")
	if _, err := os.Stat(filepath.Join(data, "models", fingerprint(t, other))); !os.IsNotExist(err) {
		t.Errorf("the estimate made a collection: %v", err)
	}
	migrate(to...).says(t, cli.ExitOK, "3 written", "is up to date; 'indexd migrate --switch")
	wantCurrent(t, data, model)
	migrate(append(to, "--switch")...).says(t, cli.ExitOK, "3 items up to date, 0 to embed", "3 unchanged", "is the current collection now")
	wantCurrent(t, data, other)
	migrate(append(to, "--switch")...).says(t, cli.ExitOK, "nothing to do")
	migrate(to...).says(t, cli.ExitUsage, "is the model of the current collection already")

	copyFile(t, filepath.Join(samples, "pictures", "p0003.png"), filepath.Join(feed, "p0003.png"))
	if err := os.Remove(filepath.Join(feed, "p0000.png")); err != nil {
		t.Fatal(err)
	}
	indexd(t, environ, append([]string{"import", feed, "--full-sync", "--force"}, to...)...).ok(t)
	var s estimate
	migrate(append(back, "--estimate", "--json")...).ok(t).unmarshal(t, &s)
	if s.ToEmbed != 1 || s.UpToDate != 2 || s.ToRemove != 1 || s.From != fingerprint(t, other) || s.Rate <= 0 || s.Embeddings != 4*64 || s.Free <= 0 {
		t.Errorf("estimate %+v", s)
	}
	var m migrated
	migrate(append(back, "--switch", "--json")...).ok(t).unmarshal(t, &m)
	if !m.Switched || m.Written != 1 || m.Unchanged != 2 || m.Deleted != 1 || m.Encoded != 1 || m.Estimate.ToEmbed != 1 {
		t.Errorf("%+v", m)
	}
	wantCurrent(t, data, model)
	sameCollections(t, data, other, model)
	indexd(t, environ, "check", "--deep", "--data", data).says(t, cli.ExitOK, "0 problems")
}

// TestEstimateOfDisk: the files are not larger than was said, nor much smaller.
func TestEstimateOfDisk(t *testing.T) {
	environ := clitest.Environ(t)
	model, other := twoModels(t)
	data := filepath.Join(t.TempDir(), "data")
	indexd(t, environ, "import", filepath.Join(samples, "feed.jsonl"), "--data", data, "--model", model).ok(t)
	var m migrated
	indexd(t, environ, "migrate", "--json", "--data", data, "--model", other).ok(t).unmarshal(t, &m)
	states, err := filepath.Glob(filepath.Join(data, "models", fingerprint(t, other), "features", "*.seg"))
	if err != nil || len(states) != 1 {
		t.Fatal(states, err)
	}
	for path, said := range map[string]int64{
		filepath.Join(data, "models", fingerprint(t, other), embedded.CatalogueFile): m.Estimate.Catalogue,
		states[0]: m.Estimate.States,
	} {
		info, err := os.Stat(path)
		if err != nil || info.Size() > said*3/2 || info.Size() < said/2 {
			t.Errorf("%s: %d bytes, said %d (%v)", filepath.Base(path), info.Size(), said, err)
		}
	}
}

func TestEstimateRefuses(t *testing.T) {
	s := estimate{Catalogue: 5e9, States: 45e9, Free: 49e9}
	err := s.fits(cli.Env{Settings: cli.Settings{Data: "/srv/shop"}})
	if err == nil || !strings.Contains(err.Error(), "needs 50 GB and the disk of /srv/shop has 49 GB free") {
		t.Errorf("got %v", err)
	}
	if err := s.fits(cli.Env{Settings: cli.Settings{Force: true}}); err != nil {
		t.Errorf("with --force: %v", err)
	}
	budget := cli.Env{Settings: cli.Settings{FeaturesMB: 1, States: "int8"}}
	m := bundle.Manifest{}
	m.Vision.Image, m.Vision.Patch, m.Vision.Width = 384, 16, 768
	s.measureDisk(budget, m, indexer.Work{Embed: 100, EmbedPictures: 100, NewPictures: 100})
	if s.States != 1<<20 {
		t.Errorf("%d bytes of patch states with a budget of 1 MB", s.States)
	}
	budget.FeaturesMB = 0
	if s.measureDisk(budget, m, indexer.Work{Embed: 100, EmbedPictures: 100, NewPictures: 100}); s.States != 100*448_580 {
		t.Errorf("%d bytes of patch states; docs/features.md says 448,580 a picture", s.States)
	}
}

// TestMigrateDoesNotSwitchHalf: with an item that fails nothing is switched.
func TestMigrateDoesNotSwitchHalf(t *testing.T) {
	environ := clitest.Environ(t)
	model, other := twoModels(t)
	_, data := shop(t, environ, model)
	picture := stored(t, data, model)[1].Picture
	if err := os.Remove(filepath.Join(data, "pictures", picture[:2], picture)); err != nil {
		t.Fatal(err)
	}
	args := []string{"migrate", "--switch", "--data", data, "--model", other}
	indexd(t, environ, args...).says(t, cli.ExitSomeFailed, "failed  item p0001", "2 written", "1 failed", "not switched")
	wantCurrent(t, data, model)
	d := openData(t, data, model)
	if _, err := d.Index.Delete(t.Context(), []string{"p0001"}); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	indexd(t, environ, args...).says(t, cli.ExitOK, "is the current collection now")
	sameCollections(t, data, model, other)
}
