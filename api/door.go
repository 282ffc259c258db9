package api

import (
	linked "container/list"
	"net"
	"net/http"
	"sync"
)

// door bounds the connections of a server. A full house turns nobody away while
// there are connections that are open for nothing: who opens many and is silent
// closes his own.
type door struct {
	most int

	mu     sync.Mutex
	open   map[net.Conn]*linked.Element // an element of silent, or nil
	silent *linked.List                 // net.Conn without a request under way, those that are so for longest first
}

func newDoor(most int) *door {
	return &door{most: most, open: map[net.Conn]*linked.Element{}, silent: linked.New()}
}

// changed is the server's ConnState.
func (d *door) changed(c net.Conn, s http.ConnState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch s {
	case http.StateNew, http.StateIdle:
		d.hush(c)
		d.open[c] = d.silent.PushBack(c)
		if len(d.open) > d.most {
			d.evict()
		}
	case http.StateActive:
		d.hush(c)
		d.open[c] = nil
	case http.StateClosed, http.StateHijacked:
		d.hush(c)
		delete(d.open, c)
	}
}

// hush takes a connection off the list of silent ones.
func (d *door) hush(c net.Conn) {
	if e := d.open[c]; e != nil {
		d.silent.Remove(e)
	}
}

// evict closes the connection that has been silent for longest, which is the new
// one where all others are at work. The server hears of it when it reads.
func (d *door) evict() {
	c, _ := d.silent.Remove(d.silent.Front()).(net.Conn)
	delete(d.open, c)
	if secured, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = secured.NetConn() // TLS would wait for the other side to take its goodbye
	}
	_ = c.Close()
}
