package api

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sightline/store/change"
)

// order is what the headers of a writing request ask for.
type order struct {
	key     string         // Idempotency-Key; "" for none
	ifMatch string         // for Change.IfMatch
	wait    *time.Duration // nil where the caller leaves it to us
	applied string         // the preference that wait comes from
}

// call is a writing request and where its answer goes.
type call struct {
	w     http.ResponseWriter
	r     *http.Request
	order order
}

// target is what a request for one item is about.
type target struct {
	op change.Op
	id string
}

const (
	maxWait     = 30 * time.Second
	defaultWait = 2 * time.Second
	maxKey      = 200 // bytes of an Idempotency-Key
)

// readOrder reads the headers; single says that the request is about one item.
func readOrder(r *http.Request, op change.Op, single bool, wrong *Invalid) (order, error) {
	var o order
	if len(r.Header.Values("Idempotency-Key")) > 0 {
		o.key = strings.Join(r.Header.Values("Idempotency-Key"), " and ")
		if o.key == "" || len(o.key) > maxKey || strings.ContainsFunc(o.key, func(c rune) bool { return c <= ' ' || c > '~' }) {
			wrong.add("Idempotency-Key", "must be 1 to %d visible ASCII characters", maxKey)
		}
	}
	o.wait, o.applied = preferredWait(r, wrong)
	o.ifMatch = ifMatch(r, single, wrong)
	if r.Header.Get("If-None-Match") == "" {
		return o, nil
	}
	if op == change.Put && single {
		return o, refuse(kindUnsupported, "If-None-Match is not supported: a write that only creates an item cannot be promised yet. Leave the header out, or use If-Match.")
	}
	return o, refuse(kindUnsupported, "If-None-Match is not supported here: leave it out.")
}

// preferredWait reads "Prefer: wait=N" and "Prefer: respond-async" (RFC 7240).
// Other preferences are passed over, as that RFC wants.
func preferredWait(r *http.Request, wrong *Invalid) (wait *time.Duration, applied string) {
	for p := range strings.SplitSeq(strings.Join(r.Header.Values("Prefer"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "wait":
			value, _, _ := strings.Cut(value, ";")
			n, err := strconv.Atoi(strings.Trim(strings.TrimSpace(value), `"`))
			if err != nil || n < 0 || n > int(maxWait/time.Second) {
				wrong.add("Prefer", "asks for a wait that is not within 0 to %d seconds", int(maxWait/time.Second))
				continue
			}
			d := time.Duration(n) * time.Second
			wait, applied = &d, fmt.Sprintf("wait=%d", n)
		case "respond-async":
			if wait == nil { // with a wait it means: but no longer than that
				wait, applied = new(time.Duration), "respond-async"
			}
		}
	}
	return wait, applied
}

// ifMatch takes one strong tag or "*".
func ifMatch(r *http.Request, single bool, wrong *Invalid) string {
	tag := strings.TrimSpace(strings.Join(r.Header.Values("If-Match"), ","))
	quoted := len(tag) > 2 && tag[0] == '"' && strings.IndexByte(tag[1:], '"') == len(tag)-2
	switch {
	case tag == "":
	case !single:
		wrong.add("If-Match", "is for writes of one item: leave it out")
	case strings.HasPrefix(tag, "W/"):
		wrong.add("If-Match", "is a weak tag, which never matches: give the ETag as GET gave it")
	case tag != "*" && !quoted || len(tag) > 100:
		wrong.add("If-Match", `must be * or one ETag in quotes, as GET gave it`)
	default:
		return tag
	}
	return ""
}

// ticket names the jobs of one request. With an Idempotency-Key the names follow
// from it, so that the queue finds repetitions: the DedupeID of the first job is
// the key's, and its group says for which body that was. The other DedupeIDs
// follow from the group.
type ticket struct {
	group string
	key   string // digest of the key; "" without one
	mixed bool   // of several operations
}

// newTicket makes one for a request of which op is the first operation. digest
// is that of all that it does.
func newTicket(o order, op change.Op, digest []byte) ticket {
	letter := string(op[:1]) // p is taken twice
	if op == change.Patch {
		letter = "c"
	}
	if o.key == "" {
		return ticket{group: letter + "-" + strings.ToLower(rand.Text())}
	}
	key := digestOf([]byte(o.key))
	return ticket{group: letter + "-" + digestOf([]byte(key), digest), key: key}
}

// digestOf has 128 bits in 26 characters.
func digestOf(parts ...[]byte) string {
	sum := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(sum, "%d:", len(p))
		sum.Write(p)
	}
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum.Sum(nil)[:16]))
}

// dedupe is the DedupeID of the n-th job. Requests of one operation without a
// key need none; those of several carry the operation there, as the queue lists
// jobs without their payloads.
func (t ticket) dedupe(n int, op change.Op) string {
	switch {
	case t.key != "" && n == 0:
		return "idempotency-key/" + t.key
	case t.key == "" && (n == 0 || !t.mixed):
		return ""
	}
	return fmt.Sprintf("%s/%d/%s", t.group, n, op)
}

// operation tells what a job does, from the names that a ticket gave it; "" for
// jobs of other origin.
func operation(j Job) change.Op {
	for _, op := range []change.Op{change.Put, change.Patch, change.Delete} {
		if strings.HasPrefix(j.DedupeID, j.Group+"/") && strings.HasSuffix(j.DedupeID, "/"+string(op)) {
			return op
		}
	}
	letter, rest, ok := strings.Cut(j.Group, "-")
	if !ok || len(rest) != 26 {
		return ""
	}
	return map[string]change.Op{"p": change.Put, "c": change.Patch, "d": change.Delete}[letter]
}
