package deploy

import (
	"bytes"
	"go/ast"
	goparser "go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// dockerfile is a parsed one.
type dockerfile struct {
	stages   []instructions.Stage
	args     []instructions.ArgCommand
	warnings []string
}

// parseDockerfile parses as docker build does, and gathers its linter's warnings.
func parseDockerfile(text []byte) (dockerfile, error) {
	var d dockerfile
	tree, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return d, err
	}
	for _, w := range tree.Warnings {
		d.warnings = append(d.warnings, w.Short)
	}
	lint := linter.New(&linter.Config{Warn: func(rule, _, _, message string, _ []parser.Range) {
		d.warnings = append(d.warnings, rule+": "+message)
	}})
	d.stages, d.args, err = instructions.Parse(tree.AST, lint)
	return d, err
}

func readDockerfile(t *testing.T, name string) dockerfile {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("docker", name))
	if err != nil {
		t.Fatal(err)
	}
	d, err := parseDockerfile(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return d
}

// imageEnvironment is what ENV sets in the stage of an image of ours.
func imageEnvironment(image string) map[string]string {
	env := map[string]string{}
	text, err := os.ReadFile("docker/Dockerfile")
	if err != nil || !strings.Contains(image, "/sightline:") {
		return env
	}
	d, err := parseDockerfile(text)
	if err != nil {
		return env // TestDockerfile says so
	}
	stage := "cpu"
	if strings.HasSuffix(image, "-gpu") {
		stage = "gpu"
	}
	for _, s := range d.stages {
		for _, c := range s.Commands {
			if e, ok := c.(*instructions.EnvCommand); ok && s.Name == stage {
				for _, pair := range e.Env {
					env[pair.Key] = pair.Value
				}
			}
		}
	}
	return env
}

// problems of a Dockerfile whose context is the folder root.
func (d dockerfile) problems(root string, ignore *patternmatcher.PatternMatcher) []string {
	problems := slices.Clone(d.warnings)
	names := map[string]bool{}
	for _, s := range d.stages {
		problems = append(problems, d.base(s, names)...)
		names[s.Name] = true
		for _, c := range s.Commands {
			switch c := c.(type) {
			case *instructions.CopyCommand:
				problems = append(problems, copied(c, names, root, ignore)...)
			case *instructions.AddCommand:
				problems = append(problems, "ADD: use COPY")
			}
		}
		if s.Name == "cpu" || s.Name == "gpu" || s.Name == "model" {
			problems = append(problems, final(s)...)
		}
	}
	return problems
}

// base: a stage has a name and stands on another stage, or on an argument whose default has a
// tag or a digest.
func (d dockerfile) base(s instructions.Stage, names map[string]bool) []string {
	if s.Name == "" {
		return []string{"a stage has no name"}
	}
	if names[s.BaseName] {
		return nil
	}
	for _, a := range d.args {
		for _, pair := range a.Args {
			if s.BaseName == "${"+pair.Key+"}" && pair.Value != nil {
				_, tag, ok := strings.Cut(path.Base(*pair.Value), ":")
				if ok && tag != "" && tag != "latest" {
					return nil
				}
			}
		}
	}
	return []string{s.Name + ": its base is not pinned by an argument: " + s.BaseName}
}

// copied: what a COPY takes is in the context and not ignored, or comes from a stage above.
func copied(c *instructions.CopyCommand, names map[string]bool, root string, ignore *patternmatcher.PatternMatcher) []string {
	if c.From != "" {
		if !names[c.From] {
			return []string{"COPY --from=" + c.From + ": there is no such stage above"}
		}
		return nil
	}
	var problems []string
	for _, source := range c.SourcePaths {
		if _, err := os.Stat(filepath.Join(root, source)); err != nil {
			problems = append(problems, "COPY "+source+": it is not there")
		} else if left, err := ignore.MatchesOrParentMatches(source); source != "." && (err != nil || left) {
			problems = append(problems, "COPY "+source+": .dockerignore leaves it out")
		}
	}
	return problems
}

// final: an image runs as somebody else than root, by number, so that Kubernetes can tell.
func final(s instructions.Stage) []string {
	user := ""
	for _, c := range s.Commands {
		switch c := c.(type) {
		case *instructions.UserCommand:
			user, _, _ = strings.Cut(c.User, ":")
		case *instructions.RunCommand:
			if s.Name == "cpu" {
				return []string{"cpu: RUN in a base that has no shell"}
			}
		}
	}
	if uid, err := strconv.Atoi(user); err != nil || uid == 0 {
		return []string{s.Name + ": it runs as " + strconv.Quote(user)}
	}
	return nil
}

func ignored(t *testing.T, root string) *patternmatcher.PatternMatcher {
	t.Helper()
	f, err := os.Open(filepath.Join(root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	patterns, err := ignorefile.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	m, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestDockerfile: the Dockerfiles parse without a warning, take what is there, and make
// images that run as nobody; both of ours alike but for the device.
func TestDockerfile(t *testing.T) {
	for _, name := range []string{"Dockerfile", "model.Dockerfile"} {
		d := readDockerfile(t, name)
		for _, problem := range d.problems("..", ignored(t, "..")) {
			t.Errorf("%s: %s", name, problem)
		}
		if last := d.stages[len(d.stages)-1].Name; name == "Dockerfile" && last != "cpu" {
			t.Errorf("a build without --target makes %s", last)
		}
	}
	cpu, gpu := imageEnvironment("x/sightline:1"), imageEnvironment("x/sightline:1-gpu")
	if gpu["SIGHTLINE_DEVICE"] != "cuda" || cpu["SIGHTLINE_DATA"] == "" || len(gpu) != len(cpu)+1 {
		t.Errorf("variables of the images: %v, %v", cpu, gpu)
	}
}

// TestDockerContext: what 'go build' reads reaches the builder, and folders that are large
// or private do not.
func TestDockerContext(t *testing.T) {
	ignore := ignored(t, "..")
	const files = `{{with .Module}}{{if .Main}}{{$.Dir}}{{range $.EmbedFiles}} {{$.Dir}}/{{.}}{{end}}{{range $.HFiles}} {{$.Dir}}/{{.}}{{end}}{{end}}{{end}}`
	packages, _, code := goList(t, "-deps", "-f", files, "./cmd/searchd", "./cmd/indexd")
	if code != 0 {
		t.Fatal(packages)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, dir := range strings.Fields(packages) {
		rel, err := filepath.Rel(root, dir)
		if err != nil {
			t.Fatal(err)
		}
		if left, err := ignore.MatchesOrParentMatches(rel); err != nil || left {
			t.Errorf("%s is left out: %v", rel, err)
		}
		n++
	}
	if n < 20 {
		t.Errorf("only %d packages", n)
	}
	for _, name := range []string{".git", "bin/searchd", "sightline-data/catalogue.db", "sightline-model/weights.safetensors", "demo/model", "bench", "deploy/k8s"} {
		if left, err := ignore.MatchesOrParentMatches(name); err != nil || !left {
			t.Errorf("%s is sent to the builder: %v", name, err)
		}
	}
}

// TestDockerfileChecks: the checks notice what they are there for.
func TestDockerfileChecks(t *testing.T) {
	text, err := os.ReadFile("docker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{"USER 65532:65532", "USER root"},
		{"USER 65532:65532", "USER nonroot"},
		{"golang:1.26-bookworm\n", "golang\n"},
		{"COPY go.mod go.sum ./", "COPY go.mod go.work ./"},
		{"COPY scripts/get-onnxruntime.sh", "COPY scripts/demo.sh"},
		{"--from=runtime-gpu", "--from=runtime"},
		{"FROM ${CPU_IMAGE} AS cpu", "FROM debian AS cpu"},
		{"FROM ${CPU_IMAGE} AS cpu", "FROM ${CPU_IMAGE} as cpu"},
	} {
		bad := bytes.ReplaceAll(text, []byte(c[0]), []byte(c[1]))
		d, err := parseDockerfile(bad)
		if bytes.Equal(bad, text) || err == nil && len(d.problems("..", ignored(t, ".."))) == 0 {
			t.Errorf("%q passed", c[1])
		}
	}
}

// TestImageVersion: what the programs of an image say of their version is what the
// build was told. The linker passes over a variable that is not there without a word.
func TestImageVersion(t *testing.T) {
	build := readDockerfile(t, "Dockerfile").stages[0]
	args, flags := map[string]bool{}, ""
	for _, c := range build.Commands {
		switch c := c.(type) {
		case *instructions.ArgCommand:
			for _, pair := range c.Args {
				args[pair.Key] = true
			}
		case *instructions.RunCommand:
			if line := strings.Join(c.CmdLine, " "); strings.Contains(line, "go build") {
				flags = line
			}
		}
	}
	source, err := goparser.ParseFile(token.NewFileSet(), "../cmd/internal/cli/version.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for variable, arg := range map[string]string{"version": "VERSION", "revision": "REVISION"} {
		if want := "-X sightline/cmd/internal/cli." + variable + "=${" + arg + "}"; !args[arg] || !strings.Contains(flags, want) {
			t.Errorf("the build has no %s, or no argument %s above it", want, arg)
		}
		if !emptyString(source, variable) {
			t.Errorf("cmd/internal/cli has no variable %s of the type string without a value, which the linker could set", variable)
		}
	}
}

// emptyString says whether a file declares a variable of a package as the linker's -X
// needs it.
func emptyString(file *ast.File, name string) bool {
	for _, d := range file.Decls {
		group, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, s := range group.Specs {
			if v, ok := s.(*ast.ValueSpec); ok && len(v.Values) == 0 && slices.ContainsFunc(v.Names, func(n *ast.Ident) bool { return n.Name == name }) {
				typ, ok := v.Type.(*ast.Ident)
				return ok && typ.Name == "string"
			}
		}
	}
	return false
}
