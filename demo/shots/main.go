// Command shots takes the pictures of docs/images that show the search page, from a
// running demo: make demo in one terminal, make screenshots in another.
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image/png"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// patience bounds the wait for one state of the page.
const patience = time.Minute

// shot is a picture: where, how large, and what has to be there before it is taken.
type shot struct {
	file, path    string
	width, height int64
	phone, dark   bool
	click         string // a selector, clicked when ready, "" for none
	ready, then   string // JavaScript that is true before the click, and after it
}

const (
	sock = "a+blue+zigzag+sock+and+its+heel+is+brown"
	hits = `document.body.dataset.view === 'hits' && document.querySelectorAll('.card img').length > 4 && [...document.querySelectorAll('.card img')].slice(0, 8).every((i) => i.naturalWidth > 0)`
)

func shots() []shot {
	return []shot{
		{file: "search.png", path: "/?q=" + sock, width: 1280, height: 800, ready: hits},
		{file: "page-why.png", path: "/?q=" + sock + "&why=SOCK-00001&word=6", width: 1440, height: 860, ready: hits + ` && !document.getElementById('heat').hidden`},
		{
			file: "page-words.png", path: "/?q=" + sock + "&why=SOCK-00001", width: 1440, height: 1250, ready: hits + ` && document.getElementById('describe') && !document.getElementById('describe').hidden`,
			click: "#describe", then: `document.getElementById('caption').textContent.includes('sock')`,
		},
		{file: "page-phone.png", path: "/?q=" + sock, width: 390, height: 844, phone: true, ready: hits},
		{file: "page-dark.png", path: "/?q=yellow+sofa&max=300&less=striped&like=MUG-00004&weight=0.3", width: 1280, height: 900, dark: true, ready: hits},
		{file: "page-no-match.png", path: "/?q=a+green+horse", width: 1280, height: 760, ready: hits + ` && !document.getElementById('note').hidden`},
		{file: "page-crop.png", path: "/?like=SET-00240&box=0.25,0.25,0.72,0.62", width: 1280, height: 900, ready: hits, click: "#crop-open", then: `document.getElementById('crop-image').naturalWidth > 0`},
		{file: "page-admin.png", path: "/#admin", width: 1280, height: 1180, ready: `document.getElementById('health').innerText.includes('ready')`},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) //nolint:forbidigo // this is main
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "shots:", err) // there is nowhere else to tell
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) < 2 {
		return errors.New("usage: shots ADDRESS FOLDER [PART OF A NAME], such as: shots http://127.0.0.1:8080 docs/images admin")
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(cmp.Or(os.Getenv("SIGHTLINE_CHROMIUM"), "chromium")), chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Headless, chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("lang", "en-GB"), chromedp.WSURLReadTimeout(patience),
	}
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium's own sandbox refuses root
	}
	allocator, stop := chromedp.NewExecAllocator(ctx, options...)
	defer stop()
	browser, cancel := chromedp.NewContext(allocator)
	defer cancel()
	if err := chromedp.Do(browser); err != nil {
		return fmt.Errorf("start Chromium (scripts/get-chromium.sh, or SIGHTLINE_CHROMIUM): %w", err)
	}
	for _, s := range shots() {
		if len(args) > 2 && !strings.Contains(s.file, args[2]) {
			continue
		}
		if err := s.take(browser, args[0], args[1]); err != nil {
			return fmt.Errorf("%s: %w", s.file, err)
		}
		if _, err := fmt.Fprintln(out, s.file); err != nil {
			return fmt.Errorf("tell: %w", err)
		}
	}
	return nil
}

// take opens a tab with a profile of its own.
func (s shot) take(browser context.Context, address, folder string) error {
	tab, end := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	defer end()
	if err := chromedp.Do(tab, s.look()); err != nil {
		return fmt.Errorf("open a tab: %w", err)
	}
	ctx, cancel := context.WithTimeout(tab, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(strings.TrimRight(address, "/")+s.path)); err != nil {
		return fmt.Errorf("open the page: %w", err)
	}
	if err := wait(ctx, s.ready); err != nil {
		return err
	}
	if s.click != "" {
		if err := chromedp.Do(ctx, chromedp.Click(chromedp.CSS(s.click), chromedp.NodeVisible)); err != nil {
			return fmt.Errorf("click %s: %w", s.click, err)
		}
		if err := wait(ctx, s.then); err != nil {
			return err
		}
	}
	taken, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		return fmt.Errorf("take the picture: %w", err)
	}
	return save(filepath.Join(folder, s.file), taken)
}

// save packs a picture tighter than browsers do.
func save(path string, taken []byte) error {
	img, err := png.Decode(bytes.NewReader(taken))
	if err != nil {
		return fmt.Errorf("read the picture: %w", err)
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, img); err != nil {
		return fmt.Errorf("pack the picture: %w", err)
	}
	return os.WriteFile(path, b.Bytes(), 0o644) // #nosec G306 -- a picture of the documentation
}

func (s shot) look() chromedp.Action[chromedp.Void] {
	var options []chromedp.EmulateViewportOption
	if s.phone {
		options = append(options, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulateScale(2))
	}
	scheme := "light"
	if s.dark {
		scheme = "dark"
	}
	features := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}
	return chromedp.Steps(chromedp.EmulateViewport(s.width, s.height, options...), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: features})
		return err
	}))
}

// wait asks until the page says yes.
func wait(ctx context.Context, condition string) error {
	for {
		yes, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`Boolean(`+condition+`)`))
		if err == nil && yes {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("the page never came to: %s", condition), err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
