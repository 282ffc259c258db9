package shopify

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"sightline/indexer/queue"
)

// plan says what a change of a product means for the index.
func (h *handler) plan(d delivery, p *product, now time.Time) Job {
	j := Job{Format: payloadVersion, Shop: d.shop, ProductID: p.id(), Handle: string(p.Handle), Version: d.version(p.updated, now)}
	switch {
	case d.topic == topicDelete:
		return j.deleting(p)
	case !p.isPublished(now) && p.Handle != "":
		return j.deleting(p)
	case p.unusable() != "":
		return j.rejected(p.unusable())
	}
	items, err := h.items(p, j.Version)
	if err != nil {
		return j.rejected(err.Error())
	}
	j.Op, j.Items, j.KeepAttributes = Replace, items, p.Metafields == nil
	j.Filter = p.filter(j.Version) + except(items)
	return j.checked()
}

func (j Job) deleting(p *product) Job {
	j.Op, j.Filter = Delete, p.filter(j.Version)
	return j.checked()
}

// checked turns a job whose filter no worker could read into a rejected one:
// that of thousands of variants, or of a handle of kilobytes.
func (j Job) checked() Job {
	if _, err := j.Where(); err != nil {
		return j.rejected(err.Error())
	}
	return j
}

// rejected keeps nothing that the worker must not write.
func (j Job) rejected(problem string) Job {
	j.Op, j.Items, j.Filter, j.KeepAttributes = Reject, nil, "", false
	j.Handle, j.Problem = "", queue.Clip(problem, queue.MaxReason)
	return j
}

// filter matches the items of the product that this version may delete. Those
// of a CSV feed have no number; their page tells whose they are, unless
// another product has taken the handle over and has its own number there.
func (p *product) filter(version int64) string {
	of := fmt.Sprintf("attributes.%s = %s", AttributeID, quoted(p.id()))
	if p.Handle != "" {
		page := "/products/" + url.PathEscape(string(p.Handle))
		of = fmt.Sprintf("(%s OR attributes.%s MISSING AND url = %s)", of, AttributeID, quoted(page))
	}
	return fmt.Sprintf("%s AND NOT version > %d", of, version)
}

// except leaves the items out that the job writes, 500 in a list: the filter
// language has a limit of 1000.
func except(items []Item) string {
	var out strings.Builder
	for part := range slices.Chunk(items, 500) {
		ids := make([]string, len(part))
		for i := range part {
			ids[i] = quoted(part[i].Item.ID)
		}
		out.WriteString(" AND id NOT IN (" + strings.Join(ids, ", ") + ")")
	}
	return out.String()
}

// quoted is a text of the filter language, whose escapes are those of JSON.
func quoted(s string) string {
	data, err := json.Marshal(s)
	if err != nil { // a string always encodes
		return `""`
	}
	return string(data)
}
