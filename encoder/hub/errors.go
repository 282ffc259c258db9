package hub

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// StatusError is an answer of the server that is not what was asked for.
type StatusError struct {
	Status     int           // of HTTP
	Code       string        // the Hub's own, "GatedRepo"; "" where it sends none
	RetryAfter time.Duration // that the server asks to wait; 0 where it does not
	text       string
}

// Error says what happened and what to do.
func (e *StatusError) Error() string { return e.text }

// errMismatch marks bytes that are not those that were listed.
var errMismatch = errors.New("the server sends other bytes than it lists")

// statusError describes an answer for r. what is asked for: "the list of its
// files", "config.json".
func (c *Client) statusError(res *http.Response, r Ref, what string) error {
	e := &StatusError{Status: res.StatusCode, Code: res.Header.Get("X-Error-Code")}
	e.RetryAfter = retryAfter(res.Header.Get("Retry-After"), time.Now())
	e.text = c.explain(e, r, what)
	if from := res.Request.URL; origin(from) != origin(c.endpoint) {
		e.text += fmt.Sprintf(" (it was %s that answered so, to which the server redirects)", from.Host)
	}
	return e
}

func (c *Client) explain(e *StatusError, r Ref, what string) string {
	page := strings.TrimRight(c.endpoint.String(), "/") + "/" + r.Repo
	denied := e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
	switch {
	case denied && e.Code == "GatedRepo" && c.options.Token == "":
		return fmt.Sprintf("%s is gated (status %d): accept its conditions at %s, then set HF_TOKEN to a token of that account", r.Repo, e.Status, page)
	case denied && e.Code == "GatedRepo":
		return fmt.Sprintf("%s is gated, and the account of the token has no access yet (status %d): accept its conditions at %s, and wait if its owner approves by hand", r.Repo, e.Status, page)
	case denied && c.options.Token == "":
		return fmt.Sprintf("%s does not exist or is private (status %d): check its name at %s; for a private one set HF_TOKEN to a token that may read it", r.Repo, e.Status, page)
	case e.Status == http.StatusUnauthorized:
		return fmt.Sprintf("the server does not accept the token of HF_TOKEN or HF_TOKEN_PATH, or %s does not exist (status 401): make a new token, and check the name at %s", r.Repo, page)
	case e.Status == http.StatusForbidden:
		return fmt.Sprintf("the token may not read %s (status 403): give it read access to that repository", r.Repo)
	}
	return explainOther(e, r, what, page)
}

func explainOther(e *StatusError, r Ref, what, page string) string {
	switch {
	case e.Status == http.StatusNotFound && e.Code == "RevisionNotFound":
		return fmt.Sprintf("%s has no revision %s (status 404): its branches and commits are at %s/commits/main", r.Repo, r.Revision, page)
	case e.Status == http.StatusNotFound || e.Status == http.StatusGone:
		return fmt.Sprintf("%s of %s is not there (status %d): check name and revision at %s, or HF_ENDPOINT", what, r, e.Status, page)
	case e.Status == http.StatusTooManyRequests:
		return "the server allows no more requests now (status 429)" + waitText(e.RetryAfter) + ": try again later, or set HF_TOKEN, which raises the limit on most servers"
	case e.Status >= 500:
		return fmt.Sprintf("the server fails (status %d)%s: try again later; what was downloaded is kept", e.Status, waitText(e.RetryAfter))
	}
	return fmt.Sprintf("the server answers %s of %s with status %d: check HF_ENDPOINT, and whether a proxy stands between", what, r, e.Status)
}

func waitText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf(" and asks to wait for %s", d.Round(time.Second))
}

// retryAfter reads both forms of RFC 9110 §10.2.3, seconds and a date, as a
// time from now; 0 for neither.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return max(date.Sub(now), 0)
}

// isFinal holds for what another attempt would meet again.
func isFinal(err error) bool {
	for _, final := range []error{errRedirect, errDisk, errListing, errMismatch, context.Canceled} {
		if errors.Is(err, final) {
			return true
		}
	}
	return false
}

// again tells whether trying once more may help. Network failures of all kinds may.
func (c *Client) again(err error) bool {
	status, is := errors.AsType[*StatusError](err)
	switch {
	case isFinal(err):
		return false
	case !is:
		return true
	case status.RetryAfter > c.options.MaxRetryAfter:
		return false
	}
	switch status.Status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusRequestedRangeNotSatisfiable:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, http.StatusInsufficientStorage:
		return false
	}
	return status.Status >= 500
}
