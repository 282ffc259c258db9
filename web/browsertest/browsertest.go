// Package browsertest drives a headless Chromium for tests of the search page:
// one browser for a test, a page with a profile of its own for each part.
// Whatever goes wrong in a page that no test expects (an exception, a refusal
// by the Content-Security-Policy, a failed request) fails the test.
package browsertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience bounds one wait. Tests wait for conditions, so that only a failing
// one, or a machine that has stopped, ever takes as long.
const patience = 40 * time.Second

// Missing ends a test for lack of a part; encodertest.Missing is one. This
// package is beside the page's, which knows nothing of the rest.
type Missing func(t testing.TB, part string, cause error)

// Browser is a running Chromium. It is safe for concurrent use.
type Browser struct {
	ctx context.Context // chromedp keeps its browser in a context
}

// Start runs Chromium until the test ends.
func Start(t testing.TB, missing Missing) *Browser {
	t.Helper()
	program, err := find()
	if err != nil {
		missing(t, "chromium", err)
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(program), chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Headless, chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("disable-renderer-backgrounding", true), chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "en-GB"),
		chromedp.WSURLReadTimeout(patience),
	}
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium's own sandbox refuses root
	}
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...) // ends below, when pages have ended
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	return &Browser{ctx: ctx}
}

// Variables that name what Start and Axe use.
const (
	ChromiumVariable = "SIGHTLINE_CHROMIUM"
	AxeVariable      = "SIGHTLINE_AXE"
)

func find() (string, error) {
	if named := os.Getenv(ChromiumVariable); named != "" {
		path, err := exec.LookPath(named)
		if err != nil {
			err = fmt.Errorf("%s=%s is no program that can be run: %w", ChromiumVariable, named, err)
		}
		return path, err
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no Chromium or Chrome in PATH: run scripts/get-chromium.sh, or set %s", ChromiumVariable)
}

// axeVersion is that of scripts/get-axe.sh.
const axeVersion = "4.14.1"

// Axe is the source of axe-core.
func Axe(t testing.TB, missing Missing) string {
	t.Helper()
	path := os.Getenv(AxeVariable)
	if path == "" {
		path = filepath.Join(cache(), "axe-core-"+axeVersion, "axe.min.js")
	}
	source, err := os.ReadFile(path) //nolint:gosec // whoever runs the tests names it
	if err != nil {
		missing(t, "axe", fmt.Errorf("run scripts/get-axe.sh, or set %s: %w", AxeVariable, err))
	}
	return string(source)
}

func cache() string {
	if dir := os.Getenv("SIGHTLINE_CACHE_DIR"); dir != "" {
		return dir
	}
	base := os.Getenv("XDG_CACHE_HOME")
	if base == "" {
		base = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	return filepath.Join(base, "sightline")
}

// Look is how a page is looked at.
type Look struct {
	Width, Height int64  // CSS pixels; 1280 by 900 where zero
	Phone         bool   // touch, and a viewport as phones have it
	Dark          bool   // the system's colours
	Moving        bool   // animations run; otherwise the system asks for less motion
	Expect        string // a part of the errors that the test brings about itself, "" for none
}

// Page is one tab with a profile of its own. It is for one goroutine.
type Page struct {
	t   testing.TB
	ctx context.Context

	mu     sync.Mutex
	errors []string
}

// Open opens a page at an address, and holds it at its end to have had no
// errors but those that look expects.
func (b *Browser) Open(t testing.TB, address string, look Look) *Page {
	t.Helper()
	p := &Page{t: t}
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.hear))
	p.ctx = ctx
	t.Cleanup(func() {
		cancel()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, e := range p.errors {
			if look.Expect == "" || !strings.Contains(e, look.Expect) {
				t.Errorf("in the page: %s", e)
			}
		}
	})
	p.do("open the tab", chromedp.Steps())
	p.do("look", emulate(look))
	p.Go(address)
	return p
}

func (p *Page) hear(event any) {
	text := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text = e.ExceptionDetails.Text
		if x := e.ExceptionDetails.Exception; x != nil {
			text += " " + x.Description
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			text = e.Entry.Text + " " + e.Entry.URL
		}
	}
	if text != "" {
		p.mu.Lock()
		p.errors = append(p.errors, text)
		p.mu.Unlock()
	}
}

func emulate(look Look) chromedp.Action[chromedp.Void] {
	if look.Width == 0 {
		look.Width, look.Height = 1280, 900
	}
	var options []chromedp.EmulateViewportOption
	if look.Phone {
		options = append(options, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulateScale(2))
	}
	features := []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: choose(look.Dark, "dark", "light")},
		{Name: "prefers-reduced-motion", Value: choose(look.Moving, "no-preference", "reduce")},
	}
	return chromedp.Steps(chromedp.EmulateViewport(look.Width, look.Height, options...), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
		return err
	}))
}

func choose(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

func (p *Page) do(what string, step chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx := p.ctx
	if chromedp.FromContext(ctx).Target != nil { // the first call makes the tab, which lives as long as its context
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	err := chromedp.Do(ctx, step)
	for err != nil && replaced(err) && ctx.Err() == nil {
		err = chromedp.Do(ctx, step)
	}
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", what, err, p.state())
	}
}

// replaced says that the page drew its elements anew, or went on to another
// page, between a step's finding its element and using it: the step has done
// nothing and can be repeated.
func replaced(err error) bool {
	return strings.Contains(err.Error(), "Could not find node with given id") || strings.Contains(err.Error(), "Cannot find context with specified id")
}

// state says what there is to see, for messages of failed tests.
func (p *Page) state() string {
	ctx, cancel := context.WithTimeout(p.ctx, 5*time.Second)
	defer cancel()
	seen, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + '\n' + document.body.innerText.replace(/\s+/g, ' ').slice(0, 400)`))
	if err != nil {
		return err.Error()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return seen + "\n" + strings.Join(p.errors, "\n")
}

// Go opens another address in the page.
func (p *Page) Go(address string) { p.t.Helper(); p.do("open "+address, chromedp.Navigate(address)) }

// Click clicks with the mouse on the element that a CSS selector names, when it
// can be seen.
func (p *Page) Click(selector string) {
	p.t.Helper()
	p.do("click "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// Press sends keys to whatever has the focus. Special keys are in package kb.
func (p *Page) Press(keys string) { p.t.Helper(); p.do("press "+keys, chromedp.KeyEvent(keys)) }

// Type focuses an element and types a text into it.
func (p *Page) Type(selector, text string) {
	p.t.Helper()
	p.do("type into "+selector, chromedp.SendKeys(chromedp.CSS(selector), text))
}

// Upload chooses files in a file input.
func (p *Page) Upload(selector string, paths ...string) {
	p.t.Helper()
	p.do("upload to "+selector, chromedp.SetUploadFiles(chromedp.CSS(selector), paths))
}

// Eval runs a script and returns its value as text; promises are awaited.
func (p *Page) Eval(script string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[any](script, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v\n%s", script, err, p.state())
	}
	return fmt.Sprint(value)
}

// Wait waits until a script's value is true, also when the page loads anew meanwhile.
func (p *Page) Wait(condition string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	poll := chromedp.Poll[bool](condition, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(0))
	for {
		_, err := chromedp.Run(ctx, poll)
		switch {
		case err == nil:
			return
		case ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded):
			p.t.Fatalf("this has not become true: %s\n%s", condition, p.state())
		case !reloaded(err):
			p.t.Fatalf("%s: %v", condition, err)
		}
	}
}

// reloaded says that the page was replaced by another while a script ran in it;
// Chromium has two ways to tell.
func reloaded(err error) bool {
	return strings.Contains(err.Error(), "navigated") || strings.Contains(err.Error(), "Cannot find context")
}

// Screenshot writes what is seen as a PNG.
func (p *Page) Screenshot(path string) {
	p.t.Helper()
	picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(path, picture, 0o644)
	}
	if err != nil {
		p.t.Fatalf("screenshot: %v", err)
	}
}

// Errors takes the errors so far out of the page; they do not fail the test any more.
func (p *Page) Errors() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := slices.Clone(p.errors)
	p.errors = nil
	return taken
}
