package harness

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
)

// Programs are the paths of what is run.
type Programs struct {
	Indexd, Searchd, Faulty, Render, Redis, Milvus string
	Demo                                           string // the demo model, as a Hugging Face folder
}

// World is a folder with the demo catalogue and two models, and the processes
// over it.
type World struct {
	Programs
	Dir      string
	Items    map[string]Item // as imported
	Pictures [][]byte
	All      []*Process
}

// someWords are what the steady load asks about.
func someWords() []string {
	return []string{"red", "blue", "green", "striped", "checked", "plain", "mug", "shoe", "hat", "watch", "bottle", "dress", "bag", "chair", "white", "yellow"}
}

// Make draws a catalogue of n items in dir and converts the model: fp32 as
// "model", int8 as "new-model".
func Make(ctx context.Context, dir string, p Programs, n int) (*World, error) {
	w := &World{Programs: p, Dir: dir}
	if err := Call(ctx, dir, p.Render, "--n", strconv.Itoa(n), "--size", "96", "--split", "demo", "--out", w.Path("catalogue")); err != nil {
		return nil, fmt.Errorf("draw the catalogue: %w", err)
	}
	for out, precision := range map[string]string{"model": "fp32", "new-model": "int8"} {
		if err := Call(ctx, dir, p.Indexd, "model", "convert", p.Demo, "--out", w.Path(out), "--precision", precision); err != nil {
			return nil, fmt.Errorf("convert the model: %w", err)
		}
	}
	return w, w.read()
}

// Path is below the world's folder.
func (w *World) Path(name string) string { return filepath.Join(w.Dir, name) }

// Feed is that of the catalogue.
func (w *World) Feed() string { return w.Path("catalogue/feed.jsonl") }

// mostPictures of the catalogue are kept for uploads.
const mostPictures = 32

func (w *World) read() error {
	f, err := os.Open(w.Feed())
	if err != nil {
		return err
	}
	defer f.Close()
	w.Items = map[string]Item{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var i struct {
			Item
			Picture string `json:"image"`
		}
		if err := json.Unmarshal(lines.Bytes(), &i); err != nil {
			return fmt.Errorf("%s: %w", w.Feed(), err)
		}
		w.Items[i.ID] = i.Item
		if len(w.Pictures) < mostPictures {
			picture, err := os.ReadFile(w.Path(filepath.Join("catalogue", i.Picture)))
			if err != nil {
				return err
			}
			w.Pictures = append(w.Pictures, picture)
		}
	}
	return lines.Err()
}

// Add makes a process of the world, which is not started yet.
func (w *World) Add(name, program string, ready func(context.Context) error, args ...string) *Process {
	p := &Process{Name: name, Program: program, Args: args, Log: w.Path(name + ".log"), Ready: ready, Env: os.Environ()}
	w.All = append(w.All, p)
	return p
}

// Close kills what still runs, last started first.
func (w *World) Close() {
	for i := len(w.All) - 1; i >= 0; i-- {
		w.All[i].Kill()
	}
}

// Cluster is what several programs share, and the programs.
type Cluster struct {
	*World
	Redis, Milvus *Process
	Workers       []*Process // indexd serve
	Searchds      []*Process
	Proxy         *Proxy
	Nodes         []*Client // of each searchd
	Shared        []string  // arguments
}

// OpenCluster starts Redis, Milvus Lite and, when load has filled the catalogue,
// so many indexd that do changes, n searchd and the proxy before them.
func OpenCluster(ctx context.Context, w *World, workers, n int, load func(shared []string) error) (*Cluster, error) {
	c := &Cluster{World: w}
	if err := c.backends(ctx); err != nil {
		return nil, err
	}
	if err := load(c.Shared); err != nil {
		return nil, err
	}
	for i := range workers {
		p, _, err := c.serve(ctx, fmt.Sprintf("indexd-%d", i+1), w.Indexd, "serve", "--queue", "redis", "--workers", "4")
		if err != nil {
			return nil, err
		}
		c.Workers = append(c.Workers, p)
	}
	var urls []string
	for i := range n {
		p, url, err := c.serve(ctx, fmt.Sprintf("searchd-%d", i+1), w.Searchd, "--queue", "redis", "--workers", "0")
		if err != nil {
			return nil, err
		}
		c.Searchds, c.Nodes, urls = append(c.Searchds, p), append(c.Nodes, NewClient(url)), append(urls, url)
	}
	var err error
	c.Proxy, err = NewProxy(ctx, urls...)
	return c, err
}

// serve starts a program that listens.
func (c *Cluster) serve(ctx context.Context, name, program string, args ...string) (p *Process, url string, err error) {
	address, err := FreeAddress(ctx)
	if err != nil {
		return nil, "", err
	}
	url = "http://" + address
	p = c.Add(name, program, ReadyAt(url), c.node(name, "model", append(args, "--listen", address)...)...)
	return p, url, p.Start(ctx)
}

func (c *Cluster) backends(ctx context.Context) error {
	redis, err := FreeAddress(ctx)
	if err != nil {
		return err
	}
	milvus, err := FreeAddress(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(os.MkdirAll(c.Path("redis"), 0o755), os.MkdirAll(c.Path("bucket"), 0o755)); err != nil {
		return err
	}
	_, redisPort, _ := net.SplitHostPort(redis)   // FreeAddress made it
	_, milvusPort, _ := net.SplitHostPort(milvus) // as above
	c.Redis = c.Add("redis", c.Programs.Redis, Listens(redis), "--bind", "127.0.0.1", "--port", redisPort, "--dir", c.Path("redis"),
		"--save", "", "--appendonly", "yes", "--appendfsync", "always")
	c.Milvus = c.Add("milvus", c.Programs.Milvus, Listens(milvus), "server", "--data-dir", c.Path("milvus"), "--host", "127.0.0.1", "--port", milvusPort)
	c.Shared = []string{
		"--store", "milvus", "--milvus-addr", milvus, "--cache", "redis", "--redis-url", (&url.URL{Scheme: "redis", Host: redis}).String(),
		"--blobs", "file://" + c.Path("bucket"),
	}
	return errors.Join(c.Redis.Start(ctx), c.Milvus.Start(ctx))
}

// node is the arguments of one program: a command, its flags, and what is shared.
func (c *Cluster) node(name, model string, args ...string) []string {
	return append(append(args, "--data", c.Path(name), "--model", c.Path(model)), c.Shared...)
}

// Use has a process take another model at its next start.
func (c *Cluster) Use(p *Process, model string) {
	for i, a := range p.Args {
		if a == "--model" {
			p.Args[i+1] = c.Path(model)
		}
	}
}
