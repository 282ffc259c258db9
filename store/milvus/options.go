package milvus

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"google.golang.org/grpc/stats"

	"sightline/store"
)

// Options says where Milvus is and how to use it. Only Address must be given.
type Options struct {
	Address  string // HOST:PORT, http://HOST:PORT, or https://HOST[:PORT] for TLS
	Database string // "" for Milvus's default one
	Prefix   string // of everything that is made in it, and the alias's name; default "sightline"

	TLS      bool   // also without https:// in the address
	CAFile   string // PEM file of an authority of your own; implies TLS
	Username string
	Password store.Secret
	Token    store.Secret // instead of Username and Password

	ConnectTimeout time.Duration // until Milvus answers for the first time; default 10 s
	OpenTimeout    time.Duration // to make or load a collection; default 1 min
	SearchTimeout  time.Duration // for each reading call to Milvus with its retries; default 10 s
	WriteTimeout   time.Duration // for each writing call to Milvus with its retries; default 30 s

	// Strong makes every read wait until it sees what all processes have
	// written, up to 0.2 s on servers. Without it a process sees its own writes
	// at once and those of others when the server shows them (5 s at most by its
	// own default). Milvus Lite always shows everything at once. A process needs
	// it that keeps answers under a Counter's numbers, or that writes beside others.
	Strong bool
	// Turns keep writing processes apart; nil where there is one.
	Turns Turns

	// FlushRows and FlushIdle apply to Milvus Lite, which searches rows that are
	// not flushed 25 µs each, slower than flushed ones by 20 times: it is told to
	// flush after so many rows, and after so long without a write. Servers do
	// that themselves, and limit how often they may be asked. Default 4096, 2 s.
	FlushRows int
	FlushIdle time.Duration

	Calls   stats.Handler // sees every call, such as for traces; nil for none
	Counter Counter       // for Stats.Generation; nil counts in this process only
	Log     *slog.Logger  // nil for none

	hnsw bool // set by tests: on Lite too, where FLAT is the rule
}

// Counter is the generation of a catalogue that several processes serve, such
// as store/cache.Counter. All methods may be called at the same time.
//
// Without one an index counts its own changes, begun at the clock in
// nanoseconds, so that numbers grow across restarts; changes that other
// processes make do not show in it.
type Counter interface {
	// Generation returns the number, and false while it is not known.
	Generation(ctx context.Context) (uint64, bool)
	// Bump moves it on. It is called after each change.
	Bump(ctx context.Context) error
}

// Turns let one process at a time write to a catalogue, such as store/turns.Turns.
// Milvus does not keep writers apart: it knows no comparing of versions, and
// Milvus Lite loses deletes beside a flush.
type Turns interface {
	// Take waits for the turn, until ctx ends or with an error of its own. held says
	// whether it still lasts; release ends it.
	Take(ctx context.Context) (held func() bool, release func(), err error)
}

var prefixPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,99}$`)

func (o Options) withDefaults() (Options, error) {
	setDefault(&o.Prefix, "sightline")
	setDefault(&o.ConnectTimeout, 10*time.Second)
	setDefault(&o.OpenTimeout, time.Minute)
	setDefault(&o.SearchTimeout, 10*time.Second)
	setDefault(&o.WriteTimeout, 30*time.Second)
	setDefault(&o.FlushRows, 4096)
	setDefault(&o.FlushIdle, 2*time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.TLS = o.TLS || o.CAFile != ""
	switch {
	case o.Address == "":
		return o, fmt.Errorf("%w options: Milvus needs an address such as localhost:19530", store.ErrInvalid)
	case !prefixPattern.MatchString(o.Prefix):
		return o, fmt.Errorf("%w options: prefix %q: write letters, digits and _, 100 at most, no digit first", store.ErrInvalid, o.Prefix)
	case o.Token != "" && (o.Username != "" || o.Password != ""):
		return o, fmt.Errorf("%w options: give Milvus a token or a user and password, not both", store.ErrInvalid)
	case o.ConnectTimeout < 0 || o.OpenTimeout < 0 || o.SearchTimeout < 0 || o.WriteTimeout < 0 || o.FlushRows < 0 || o.FlushIdle < 0:
		return o, fmt.Errorf("%w options: times and numbers of rows must be above 0", store.ErrInvalid)
	}
	return o, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
