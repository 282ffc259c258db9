package api

import (
	"net/http"

	"sightline/store"
	"sightline/store/filter"
	"sightline/store/keys"
)

// hiddenFrom is what a search does not find; nil for nothing.
func (e *Engine) hiddenFrom(req SearchRequest) filter.Expr {
	if req.IncludeHidden {
		return nil
	}
	return e.Hidden
}

// hides says whether searches pass an item over.
func (e *Engine) hides(it store.Item) bool { return e.Hidden != nil && it.Matches(e.Hidden) }

// showing narrows a filter, nil for none, by what is not to be found.
func showing(wanted, hidden filter.Expr) filter.Expr {
	if hidden == nil {
		return wanted
	}
	shown := filter.Not{Kid: hidden}
	if wanted == nil {
		return shown
	}
	return filter.And{Kids: []filter.Expr{wanted, shown}}
}

// seesHidden says whether a caller may see items that are hidden from searches: who
// may change the catalogue, and everybody where no keys are asked for.
func seesHidden(r *http.Request) bool {
	key := traceOf(r).key
	return key == nil || key.Scopes&(keys.Write|keys.Admin) != 0
}
