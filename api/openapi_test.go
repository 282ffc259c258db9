package api_test

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"sightline/api"
)

const documentURL = "https://test/openapi.json"

// contract holds answers to the description. It notes what differs: helpers that
// send requests know no test.
type contract struct {
	mu       sync.Mutex
	doc      map[string]any
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema
	paths    []pathPattern
	broken   []string
	checked  int
}

type pathPattern struct {
	path string
	re   *regexp.Regexp
}

func fetchDocument(target string) (*httptest.ResponseRecorder, error) {
	w := httptest.NewRecorder()
	api.NewRouter(api.Options{Readiness: &api.Readiness{}}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	if w.Code != http.StatusOK {
		return nil, fmt.Errorf("%s: %d", target, w.Code)
	}
	return w, nil
}

func newContract() (*contract, error) {
	w, err := fetchDocument("/openapi.json")
	if err != nil {
		return nil, err
	}
	c := &contract{compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}}
	doc, err := jsonschema.UnmarshalJSON(w.Body)
	if err != nil {
		return nil, err
	}
	c.doc, _ = doc.(map[string]any)
	closeObjects(c.at("components", "schemas"))
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	if err := c.compiler.AddResource(documentURL, doc); err != nil {
		return nil, err
	}
	paths, _ := c.doc["paths"].(map[string]any)
	for path := range paths {
		// A parameter holds slashes too, as ids do: the longest pattern that fits counts.
		re := regexp.MustCompile("^" + regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(regexp.QuoteMeta(path), "(.+)") + "$")
		c.paths = append(c.paths, pathPattern{path, re})
	}
	slices.SortFunc(c.paths, func(a, b pathPattern) int { return len(b.path) - len(a.path) })
	return c, nil
}

// closeObjects makes members that the description does not have errors. The
// description itself leaves answers open, for later versions.
func closeObjects(schemas any) {
	all, _ := schemas.(map[string]any)
	for _, s := range all {
		s, _ := s.(map[string]any)
		if _, said := s["additionalProperties"]; !said && s["properties"] != nil {
			s["additionalProperties"] = false
		}
	}
}

// at follows names, and references on the way.
func (c *contract) at(names ...string) any {
	var v any = c.doc
	for _, name := range names {
		m, _ := v.(map[string]any)
		v = m[name]
		if m, ok := v.(map[string]any); ok {
			if ref, ok := m["$ref"].(string); ok {
				v = c.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
			}
		}
	}
	return v
}

func (c *contract) check(r *http.Request, status int, header http.Header, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.verdict(r, status, header, body); err != nil {
		c.broken = append(c.broken, fmt.Sprintf("%s %s: %d: %v", r.Method, r.URL, status, err))
	}
}

func (c *contract) operation(r *http.Request) (path, method string) {
	method = strings.ToLower(r.Method)
	if method == "head" {
		method = "get"
	}
	for _, p := range c.paths {
		if p.re.MatchString(r.URL.EscapedPath()) && c.at("paths", p.path, method) != nil {
			return p.path, method
		}
	}
	return "", ""
}

// verdict is what is wrong with an answer. Methods and addresses that there are
// not answer 404 and 405; what fakes of tests answer is not looked at.
func (c *contract) verdict(r *http.Request, status int, header http.Header, body []byte) error {
	path, method := c.operation(r)
	if path == "" || status == http.StatusMethodNotAllowed || status == 499 || path == "/" || strings.HasPrefix(path, "/assets") || strings.HasPrefix(path, "/webhooks") || path == "/metrics" {
		return nil
	}
	c.checked++
	where := []string{"paths", path, method, "responses", strconv.Itoa(status)}
	res, _ := c.at(where...).(map[string]any)
	if res == nil {
		return fmt.Errorf("this status is not described: %s", body)
	}
	headers, _ := res["headers"].(map[string]any)
	for name := range headers {
		h, _ := c.at(append(where, "headers", name)...).(map[string]any)
		if h["required"] == true && header.Get(name) == "" {
			return fmt.Errorf("no header %s", name)
		}
	}
	contents, _ := res["content"].(map[string]any)
	if len(contents) == 0 || r.Method == http.MethodHead {
		return nil
	}
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || contents[media] == nil {
		return fmt.Errorf("content type %q is not described", header.Get("Content-Type"))
	}
	if !strings.HasSuffix(media, "json") || media == "application/x-ndjson" || header.Get("Content-Encoding") != "" {
		return nil
	}
	return c.matches(append(where, "content", media, "schema"), body)
}

// matches validates a body by the schema at a place of the document.
func (c *contract) matches(where []string, body []byte) error {
	if res, _ := c.raw(where[:5]...).(map[string]any); res["$ref"] != nil {
		ref, _ := res["$ref"].(string)
		where = append(strings.Split(strings.TrimPrefix(ref, "#/"), "/"), where[5:]...)
	}
	schema, err := c.schema(where)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %s", err, body)
	}
	return schema.Validate(v)
}

// raw is at without following the last reference.
func (c *contract) raw(names ...string) any {
	m, _ := c.at(names[:len(names)-1]...).(map[string]any)
	return m[names[len(names)-1]]
}

func (c *contract) schema(where []string) (*jsonschema.Schema, error) {
	var pointer strings.Builder
	for _, name := range where {
		pointer.WriteString("/" + url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(name)))
	}
	if s := c.schemas[pointer.String()]; s != nil {
		return s, nil
	}
	s, err := c.compiler.Compile(documentURL + "#" + pointer.String())
	c.schemas[pointer.String()] = s
	return s, err
}

// interfaceContract is made when the first request is sent.
var interfaceContract = sync.OnceValues(newContract)

// observed is a handler's answer, held to the description.
func observed(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if c, err := interfaceContract(); err == nil {
		c.check(r, w.Code, w.Header(), w.Body.Bytes())
	}
	return w
}

// reportContract is called when all tests have run: 1 where an answer differs
// from its description.
func reportContract(out io.Writer) int {
	c, err := interfaceContract()
	if err != nil {
		fmt.Fprintln(out, "the description cannot be read:", err)
		return 1
	}
	for _, b := range c.broken {
		fmt.Fprintln(out, "answer differs from its description:", b)
	}
	if len(c.broken) > 0 {
		return 1
	}
	if c.checked > 0 { // none where only some tests, fuzzing or benchmarks run
		fmt.Fprintln(out, c.checked, "answers are as described")
	}
	return 0
}

// TestDocument holds the document to the schema of OpenAPI 3.1, compiles every
// schema in it, and holds every example of an answer to its schema.
func TestDocument(t *testing.T) {
	c, err := newContract()
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open("testdata/openapi-3.1.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	meta, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("https://test/meta.json", meta); err != nil {
		t.Fatal(err)
	}
	if err := compiler.MustCompile("https://test/meta.json").Validate(any(c.doc)); err != nil {
		t.Error(err)
	}
	schemas, _ := c.at("components", "schemas").(map[string]any)
	for name := range schemas {
		if _, err := c.schema([]string{"components", "schemas", name}); err != nil {
			t.Error(err)
		}
	}
	n := 0
	c.walk(nil, c.doc, func(where []string, media map[string]any) {
		examples := []any{media["example"]}
		more, _ := media["examples"].(map[string]any)
		for _, e := range more {
			examples = append(examples, e.(map[string]any)["value"])
		}
		for _, e := range examples {
			if e == nil {
				continue
			}
			n++
			if media["schema"] == nil { // lines, of which those of a stream say data
				line := strings.SplitN(e.(string), "\n", 2)[0]
				if _, data, ok := strings.Cut(e.(string), "data: "); ok {
					line = strings.TrimSpace(data)
				}
				e, err = jsonschema.UnmarshalJSON(strings.NewReader(line))
			}
			s := (*jsonschema.Schema)(nil)
			if err == nil {
				name := map[bool]string{true: "x-line-schema", false: "schema"}[media["schema"] == nil]
				s, err = c.schema(append(slices.Clone(where), name))
			}
			if err == nil {
				err = s.Validate(e)
			}
			if err != nil {
				t.Errorf("example at %v: %v", where, err)
			}
		}
	})
	if n < 30 {
		t.Errorf("%d examples", n)
	}
}

// walk calls f for each media type.
func (c *contract) walk(where []string, v any, f func(where []string, media map[string]any)) {
	m, _ := v.(map[string]any)
	for name, below := range m {
		at := append(slices.Clone(where), name)
		if name == "content" {
			forms, _ := below.(map[string]any)
			for media, form := range forms {
				form, _ := form.(map[string]any)
				f(append(slices.Clone(at), media), form)
			}
			continue
		}
		if name != "schemas" {
			c.walk(at, below, f)
		}
	}
}
