package browsertest

import (
	"context"
	"fmt"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// Spot is a place on an element, in fractions of its width and height.
type Spot struct{ X, Y float64 }

// place is where a spot is in the window, in CSS pixels.
func (p *Page) place(selector string, s Spot) (x, y float64) {
	p.t.Helper()
	at := p.Eval(fmt.Sprintf(`{ const n = document.querySelector(%q); n.scrollIntoView({block: 'nearest'}); const r = n.getBoundingClientRect(); [r.left + %g * r.width, r.top + %g * r.height].join(' ') }`, selector, s.X, s.Y))
	if _, err := fmt.Sscan(at, &x, &y); err != nil {
		p.t.Fatalf("where %s is: %q: %v", selector, at, err)
	}
	return x, y
}

// Drag presses the mouse at one spot of an element and lets go at another.
func (p *Page) Drag(selector string, from, to Spot) {
	p.t.Helper()
	x0, y0 := p.place(selector, from)
	x1, y1 := p.place(selector, to)
	p.do("drag on "+selector, chromedp.DragAndDropXY(x0, y0, x1, y1))
}

// Swipe moves a finger over an element.
func (p *Page) Swipe(selector string, from, to Spot) {
	p.t.Helper()
	x0, y0 := p.place(selector, from)
	x1, y1 := p.place(selector, to)
	p.do("swipe on "+selector, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		for _, e := range []input.DispatchTouchEventParams{
			{Type: input.DispatchTouchEventTypeTouchStart, TouchPoints: []*input.TouchPoint{{X: x0, Y: y0}}},
			{Type: input.DispatchTouchEventTypeTouchMove, TouchPoints: []*input.TouchPoint{{X: (x0 + x1) / 2, Y: (y0 + y1) / 2}}},
			{Type: input.DispatchTouchEventTypeTouchMove, TouchPoints: []*input.TouchPoint{{X: x1, Y: y1}}},
			{Type: input.DispatchTouchEventTypeTouchEnd, TouchPoints: []*input.TouchPoint{}},
		} {
			if _, err := cdp.Call(ctx, t, input.DispatchTouchEvent, e); err != nil {
				return err
			}
		}
		return nil
	}))
}

// Shift sends keys with the shift key down.
func (p *Page) Shift(keys string) {
	p.t.Helper()
	p.do("press shift and "+keys, chromedp.KeyEvent(keys, chromedp.KeyModifiers(chromedp.ModifierShift)))
}
