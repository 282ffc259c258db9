package blend

import (
	"encoding/json"
	"errors"
	"fmt"

	"sightline/store/filter"
)

// ruleJSON is a boost or a bury as it is written.
type ruleJSON struct {
	Name   string          `json:"name"`
	Filter json.RawMessage `json:"filter"`
	By     *float64        `json:"by"`
}

// expr is nil where there is no filter: Rules.Validate says so.
func (r ruleJSON) expr() (filter.Expr, error) {
	if len(r.Filter) == 0 || string(r.Filter) == "null" {
		return nil, nil
	}
	return filter.ParseJSON(r.Filter)
}

// UnmarshalJSON reads the rules without validating their numbers: see Validate.
// Errors name the rule.
func (r *Rules) UnmarshalJSON(data []byte) error {
	var in struct {
		Boosts []ruleJSON `json:"boosts"`
		Buries []ruleJSON `json:"buries"`
		Pins   []Pin      `json:"pins"`
	}
	if err := strict(data, &in); err != nil {
		return err
	}
	out := Rules{Pins: in.Pins}
	for i, b := range in.Boosts {
		e, err := b.expr()
		if err == nil && b.By == nil {
			err = errors.New("no by: say how much to add to the score")
		}
		if err != nil {
			return fmt.Errorf("boost %d (%s): %w", i+1, shorten(b.Name), err)
		}
		out.Boosts = append(out.Boosts, Boost{b.Name, e, *b.By})
	}
	for i, b := range in.Buries {
		e, err := b.expr()
		if err == nil && b.By != nil {
			err = errors.New("a bury has no by: it sends items to the end")
		}
		if err != nil {
			return fmt.Errorf("bury %d (%s): %w", i+1, shorten(b.Name), err)
		}
		out.Buries = append(out.Buries, Bury{b.Name, e})
	}
	*r = out
	return nil
}
