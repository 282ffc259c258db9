package shopify

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sightline/indexer/queue"
)

type noQueue struct{ t *testing.T }

func (q noQueue) Enqueue(context.Context, ...queue.Job) ([]queue.Enqueued, error) {
	q.t.Error("it is queued")
	return nil, queue.ErrClosed
}

// TestSlowBody sends half a body and waits.
func TestSlowBody(t *testing.T) {
	made, err := NewHandler(Options{Queue: noQueue{t}, Secret: "hush", Shops: []string{"a.example"}})
	if err != nil {
		t.Fatal(err)
	}
	h := made.(*handler)
	h.patience = 50 * time.Millisecond
	s := httptest.NewServer(h)
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, 12)
	if _, err := io.ReadFull(c, head); err != nil || !strings.HasSuffix(string(head), fmt.Sprint(http.StatusRequestTimeout)) {
		t.Errorf("answer %q: %v", head, err)
	}
}
