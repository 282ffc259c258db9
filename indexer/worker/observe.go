package worker

import (
	"errors"
	"time"

	"sightline/indexer/queue"
	"sightline/indexer/shopify"
	"sightline/store/change"
)

func observation(kind string, done result, err error, took time.Duration) Observation {
	if kind != change.Kind && kind != shopify.Kind {
		kind = "unknown" // a metric must not have as many values as somebody thinks of
	}
	o := Observation{Kind: kind, Outcome: done.outcome, Took: took}
	if err != nil {
		o.Outcome, o.Stage = Failed, StageDependency
	}
	if f, ok := errors.AsType[queue.Failure](err); ok {
		o.Stage, o.Permanent = f.Stage, f.Permanent
	}
	return o
}
