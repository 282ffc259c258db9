// Package engine makes each vector store look the same to the benchmark.
package engine

import (
	"context"

	"sightline/bench/stores/dataset"
)

// batch is how many items one call imports, and one transaction where there are
// transactions.
const batch = 1000

// Query asks for the K items nearest to Vector whose Field is Value; all where
// Field is "".
type Query struct {
	Vector       []float32
	K            int
	Field, Value string
}

// Hit is what a page of results needs at least. Hits come best first.
type Hit struct{ ID, Title string }

// Engine is an open store. Search may be called by several goroutines.
type Engine interface {
	Search(ctx context.Context, q Query) ([]Hit, error)
	// Processes are those beside this one that it runs.
	Processes() []int
	Close() error
}

// Kind is one of the engines that are compared.
type Kind struct {
	Name     string
	About    string // a phrase for the table
	MaxItems int    // more are not tried; 0 for no limit
	// Version is what is measured, or an error that says why that cannot be done
	// here.
	Version func(context.Context) (string, error)
	Import  func(ctx context.Context, dir string, set dataset.Set) error
	Open    func(ctx context.Context, dir string, set dataset.Set) (Engine, error)
}

// Ours is the engine that all others are compared with.
const Ours = "embedded"

// Kinds are all engines in the order of the table.
func Kinds() []Kind {
	return []Kind{embeddedKind(), plainKind(), chromemKind(), vecKind(), vecInt8Kind(), milvusKind()}
}

// inProcess is embedded by engines that run nothing beside this process.
type inProcess struct{}

// Processes implements Engine.
func (inProcess) Processes() []int { return nil }
