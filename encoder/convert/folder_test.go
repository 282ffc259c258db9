package convert_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sightline/encoder/bundle"
	"sightline/encoder/convert"
)

// converted converts src into a fresh folder that must work.
func converted(t *testing.T, src string, o convert.Options) (string, bundle.Manifest) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "m")
	m, err := convert.Convert(t.Context(), src, out, o)
	if err != nil {
		t.Fatal(err)
	}
	return out, m
}

// TestForceKeepsOtherFiles: only a folder that holds a bundle and nothing else
// is replaced; whatever else lies there stays, and so does the old bundle.
func TestForceKeepsOtherFiles(t *testing.T) {
	tests := map[string]struct {
		make func(t *testing.T) string
		file string // that must survive
	}{
		"a file beside the model": {func(t *testing.T) string {
			out, _ := converted(t, sample, convert.Options{})
			write(t, out, "notes.txt", "mine")
			return out
		}, "notes.txt"},
		"a folder beside the model": {func(t *testing.T) string {
			out, _ := converted(t, sample, convert.Options{})
			if err := os.Mkdir(filepath.Join(out, "photos"), 0o700); err != nil {
				t.Fatal(err)
			}
			return out
		}, "photos"},
		"another program's manifest": {func(t *testing.T) string {
			out := t.TempDir()
			write(t, out, bundle.ManifestFile, `{"name": "a web page", "files": {"index.html": {}}}`)
			return out
		}, bundle.ManifestFile},
		"a manifest of no weights": {func(t *testing.T) string {
			out := t.TempDir()
			write(t, out, bundle.ManifestFile, `{"fingerprint": "1", "files": {}}`)
			return out
		}, bundle.ManifestFile},
		"a manifest that is not JSON": {func(t *testing.T) string {
			out := t.TempDir()
			write(t, out, bundle.ManifestFile, "version: 1")
			return out
		}, bundle.ManifestFile},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			out := test.make(t)
			before := names(t, out)
			_, err := convert.Convert(t.Context(), sample, out, convert.Options{Force: true})
			if err == nil || !strings.Contains(err.Error(), "other files ("+test.file+")") {
				t.Errorf("error %v, want one that names %s", err, test.file)
			}
			if after := names(t, out); !slices.Equal(after, before) {
				t.Errorf("the folder held %v, now %v", before, after)
			}
		})
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// TestFilesThatArrive come into the output folder while weights are written.
func TestFilesThatArrive(t *testing.T) {
	parent := t.TempDir()
	out := filepath.Join(parent, "m")
	arrive := func(done, total int64) {
		if done == total {
			if err := os.MkdirAll(out, 0o700); err != nil {
				t.Error(err)
			}
			write(t, out, "notes.txt", "mine")
		}
	}
	_, err := convert.Convert(t.Context(), sample, out, convert.Options{Progress: arrive})
	if err == nil || !strings.Contains(err.Error(), "notes.txt") {
		t.Errorf("error %v, want one that names notes.txt", err)
	}
	if got := append(names(t, parent), names(t, out)...); !slices.Equal(got, []string{"m", "notes.txt"}) {
		t.Errorf("%v stand there, want the folder m with notes.txt", got)
	}
}

// TestFailedForce leaves the bundle that was to be replaced.
func TestFailedForce(t *testing.T) {
	out, first := converted(t, sample, convert.Options{})
	broken := copyFolder(t)
	editConfig(t, broken, map[string]any{"text_config.max_position_embeddings": 17})
	_, err := convert.Convert(t.Context(), broken, out, convert.Options{Force: true})
	if err == nil || !strings.Contains(err.Error(), "position_embeddings.weight has shape [16 128], the configuration wants [17 128]") {
		t.Errorf("error %v", err)
	}
	m, err := bundle.Read(out)
	if err != nil || m.Fingerprint != first.Fingerprint {
		t.Fatalf("fingerprint %s (%v), want %s", m.Fingerprint, err, first.Fingerprint)
	}
	if err := bundle.Verify(t.Context(), out, m); err != nil {
		t.Error(err)
	}
	if got := names(t, filepath.Dir(out)); !slices.Equal(got, []string{"m"}) {
		t.Errorf("%v beside the model", got)
	}
}

// TestOtherFormat: a bundle of a format that this program cannot read may be
// replaced with Force, as its error message says.
func TestOtherFormat(t *testing.T) {
	out, first := converted(t, sample, convert.Options{})
	data, err := os.ReadFile(filepath.Join(out, bundle.ManifestFile))
	if err != nil {
		t.Fatal(err)
	}
	write(t, out, bundle.ManifestFile, strings.Replace(string(data), `"format": 1`, `"format": 0, "later": true`, 1))
	if _, err := bundle.Read(out); err == nil || !strings.Contains(err.Error(), "convert the checkpoint again") {
		t.Fatalf("format 0: %v", err)
	}
	again, err := convert.Convert(t.Context(), sample, out, convert.Options{Force: true})
	if err != nil || again.Fingerprint != first.Fingerprint {
		t.Errorf("%s (%v), want %s", again.Fingerprint, err, first.Fingerprint)
	}
}

// TestFolderRights: the bundle can be read by whoever can read a new folder.
func TestFolderRights(t *testing.T) {
	usual := filepath.Join(t.TempDir(), "usual")
	if err := os.Mkdir(usual, 0o755); err != nil {
		t.Fatal(err)
	}
	want, err := os.Stat(usual)
	if err != nil {
		t.Fatal(err)
	}
	out, _ := converted(t, sample, convert.Options{})
	have, err := os.Stat(out)
	if err != nil || have.Mode() != want.Mode() {
		t.Errorf("folder has mode %v (%v), a new one %v", have.Mode(), err, want.Mode())
	}
}

func TestOutputPlaces(t *testing.T) {
	parent := t.TempDir()
	deep := filepath.Join(parent, "a", "b", "m")
	if _, err := convert.Convert(t.Context(), filepath.Join(sample, "vocab.txt"), deep, convert.Options{}); err == nil {
		t.Error("a vocabulary was converted")
	}
	nothingIn(t, parent)
	if _, err := convert.Convert(t.Context(), sample, "", convert.Options{}); err == nil || !strings.Contains(err.Error(), "--out") {
		t.Errorf("no output folder: %v", err)
	}
	write(t, parent, "file", "")
	if _, err := convert.Convert(t.Context(), sample, filepath.Join(parent, "file", "m"), convert.Options{}); err == nil || !strings.Contains(err.Error(), "output folder") {
		t.Errorf("below a file: %v", err)
	}
	empty := filepath.Join(parent, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := convert.Convert(t.Context(), sample, empty+"/", convert.Options{}); err != nil {
		t.Errorf("an empty folder: %v", err)
	}
	if got := names(t, parent); !slices.Equal(got, []string{"empty", "file"}) {
		t.Errorf("%v stand there", got)
	}
}

// TestProgress counts every byte of the weights file once.
func TestProgress(t *testing.T) {
	var last, calls, size int64
	out, m := converted(t, sample, convert.Options{Progress: func(done, total int64) {
		if calls++; done <= last || done > total {
			t.Errorf("%d of %d after %d", done, total, last)
		}
		last, size = done, total
	}})
	info, err := os.Stat(filepath.Join(out, bundle.WeightsFile))
	if err != nil || last != size || info.Size() != size || m.Files[bundle.WeightsFile].Bytes != size {
		t.Errorf("reported %d of %d, the file has %d, the manifest says %d (%v)", last, size, info.Size(), m.Files[bundle.WeightsFile].Bytes, err)
	}
	if err := bundle.Verify(t.Context(), out, m); err != nil {
		t.Error(err)
	}
	// Weights, vocabulary, and two forms of one graph: for CUDA, for our own operators.
	if len(m.Graphs) != 8 || len(m.Files) != 8+4 {
		t.Errorf("%d graphs, %d files", len(m.Graphs), len(m.Files))
	}
}
