package doctest_test

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"hash/fnv"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sightline/cmd/internal/clitest"
	"sightline/cmd/internal/doctest"
	"sightline/encoder/encodertest"
)

// root is the project's folder.
const root = "../../.."

// pages are the README and all of docs.
func pages(t *testing.T) []doctest.Page {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(paths) < 20 {
		t.Fatalf("%d pages, %v", len(paths), err)
	}
	var all []doctest.Page
	for _, path := range append(paths, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		p, err := doctest.Parse(path, string(text))
		if err != nil {
			t.Error(err)
		}
		all = append(all, p)
	}
	return all
}

func TestPagesAreWellFormed(t *testing.T) {
	run, excused := 0, 0
	for _, p := range pages(t) {
		for _, b := range p.Blocks {
			switch b.Use {
			case doctest.Run, doctest.Fails:
				run++
			case doctest.Excused:
				excused++
				t.Logf("not run, %s:%d: %s", p.Path, b.Line, b.Name)
			}
		}
	}
	t.Logf("%d blocks are run, %d are not", run, excused)
	if run < 40 || excused > run/2 {
		t.Error("most commands of the documentation are to be run")
	}
}

func TestLinks(t *testing.T) {
	if err := doctest.CheckLinks(pages(t)...); err != nil {
		t.Error(err)
	}
}

// TestIndex: docs/README.md leads to every page, and the README to it.
func TestIndex(t *testing.T) {
	linked := map[string]bool{}
	all := pages(t)
	for _, p := range all {
		if filepath.Base(p.Path) != "README.md" {
			continue
		}
		for _, target := range p.Targets() {
			path, _, _ := strings.Cut(target, "#")
			linked[filepath.Join(filepath.Dir(p.Path), path)] = true
		}
	}
	for _, p := range all {
		if p.Path != filepath.Join(root, "README.md") && !linked[p.Path] {
			t.Errorf("docs/README.md does not name %s", p.Path)
		}
	}
}

// programs run the languages of blocks.
var programs = map[string]string{"python": "python3", "js": "node"}

// TestPrograms names the programs that are missing here: blocks of their
// languages are not run then.
func TestPrograms(t *testing.T) {
	for _, program := range []string{"bash", "curl", "python3", "node"} {
		t.Run(program, func(t *testing.T) {
			if _, err := exec.LookPath(program); err != nil {
				encodertest.Missing(t, program, err)
			}
		})
	}
}

// world is what all pages share.
type world struct {
	dir, samples, module string
	environ              []string
	without              map[string]bool
}

// TestPages runs all that README and docs say can be done.
func TestPages(t *testing.T) {
	w := newWorld(t)
	for _, p := range pages(t) {
		runs := false
		for _, b := range p.Blocks {
			runs = runs || b.Use == doctest.Run || b.Use == doctest.Fails
		}
		if runs {
			t.Run(strings.TrimSuffix(filepath.Base(p.Path), ".md"), func(t *testing.T) {
				t.Parallel()
				w.run(t, p)
			})
		}
	}
}

func newWorld(t *testing.T) world {
	t.Helper()
	w := world{dir: t.TempDir(), environ: clitest.Environ(t), without: map[string]bool{}}
	var err error
	if w.module, err = filepath.Abs(root); err != nil {
		t.Fatal(err)
	}
	w.samples = filepath.Join(w.module, "demo", "samples")
	for _, program := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			encodertest.Missing(t, program, err)
		}
	}
	for language, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Logf("%s is missing, its blocks are not run: %v", program, err)
			w.without[language] = true
		}
	}
	command(t, w.module, os.Environ(), "go", "build", "-o", filepath.Join(w.dir, "bin")+"/", "./cmd/indexd", "./cmd/searchd")
	certificate(t, w.dir)
	indexd := filepath.Join(w.dir, "bin", "indexd")
	command(t, w.dir, w.environ, indexd, "model", "convert", filepath.Join(w.samples, "model"), "--out", "sightline-model")
	command(t, w.dir, w.environ, indexd, "import", filepath.Join(w.samples, "feed.jsonl"))
	return w
}

// certificate writes one for this machine's loopback address, which is its own
// authority.
func certificate(t *testing.T, dir string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "documentation"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	signed, err := x509.CreateCertificate(nil, form, form, public, private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"fullchain.pem": {Type: "CERTIFICATE", Bytes: signed}, "privkey.pem": {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func command(t *testing.T, dir string, environ []string, name string, args ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir, c.Env = dir, environ
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// run runs one page. It has a second try, for a machine so busy that a search
// has missed its deadline of a second: what it answers then is not what is shown.
func (w world) run(t *testing.T, p doctest.Page) {
	err := w.try(t, p)
	if err != nil {
		t.Logf("a first try: %v", err)
		err = w.try(t, p)
	}
	if err != nil {
		t.Error(err)
	}
}

// try runs a page with an address and a shop of its own.
func (w world) try(t *testing.T, p doctest.Page) error {
	s := doctest.Setting{Dir: t.TempDir(), Module: w.module, Without: w.without}
	shop := httptest.NewServer(shopOf(s.Dir, w.samples))
	t.Cleanup(shop.Close)
	address, second := freeAddress(t), freeAddress(t)
	photo, err := os.ReadFile(filepath.Join(w.samples, "pictures", "p0012.png"))
	if err != nil {
		t.Fatal(err)
	}
	s.Rewrite = strings.NewReplacer(
		"data:image/jpeg;base64,/9j/…", "data:image/png;base64,"+base64.StdEncoding.EncodeToString(photo), "/mnt/backup/", "./backup/",
		"https://search.example:8443", "https://"+second, "0.0.0.0:8443", second+" --require-keys", "/run/secrets/", "./secrets/",
		"127.0.0.1:8080", address, "127.0.0.1:8081", second, "bin/searchd", "searchd", "bin/indexd", "indexd",
		"https://shop.example/", shop.URL+"/", "https://cdn.example/", shop.URL+"/",
	)
	script, err := s.Write(p)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(shop.URL, "http://"), ":")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "bash", script)
	c.Dir = s.Dir
	c.Env = append([]string{
		"PATH=" + filepath.Join(w.dir, "bin") + ":" + os.Getenv("PATH"), "HOME=" + s.Dir, "LANG=C.UTF-8", "TZ=UTC",
		"SHARED=" + w.dir, "SAMPLES=" + w.samples, "LOGS=" + filepath.Join(s.Dir, ".blocks"),
		"ADDRESS=" + address, "SECOND=" + second,
		"SIGHTLINE_LISTEN=" + address, "SIGHTLINE_FETCH_ALLOW=127.0.0.1", "SIGHTLINE_FETCH_PORTS=" + port,
	}, append(goEnviron(t), w.environ...)...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	out, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s\n%s", err, s.Last(p), out)
	}
	return errors.Join(s.Check(p)...)
}

// goEnviron are the caches of Go, which it looks for below HOME otherwise.
func goEnviron(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE", "GOTOOLCHAIN").Output()
	if err != nil {
		t.Fatal(err)
	}
	values := strings.Fields(string(out))
	return []string{"GOCACHE=" + values[0], "GOMODCACHE=" + values[1], "GOTOOLCHAIN=" + values[2]}
}

// freeAddress is one that nobody takes meanwhile.
func freeAddress(t *testing.T) string {
	t.Helper()
	port, release, err := encodertest.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return net.JoinHostPort("127.0.0.1", port)
}

// shopOf serves what lies in a page's folder, and a picture of the samples for
// every other name of a picture.
func shopOf(dir, samples string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := filepath.Join(dir, filepath.Clean("/"+r.URL.Path))
		if _, err := os.Stat(path); err != nil && strings.HasSuffix(path, ".jpg") {
			h := fnv.New32a()
			fmt.Fprint(h, r.URL.Path)
			path = filepath.Join(samples, "pictures", fmt.Sprintf("p%04d.png", h.Sum32()%240))
		}
		http.ServeFile(w, r, path)
	})
}
