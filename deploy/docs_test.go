package deploy

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"sigs.k8s.io/yaml"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestDocumented: docs/deploy.md names every Secret with its keys, every overlay,
// component and job, and nothing that is not there.
func TestDocumented(t *testing.T) {
	page := read(t, "../docs/deploy.md")
	for name, keys := range secrets {
		for _, key := range append([]string{name}, keys...) {
			if !strings.Contains(page, key) {
				t.Errorf("the Secret %s: %s is not told", name, key)
			}
		}
	}
	for _, kind := range []string{"overlays", "components", "jobs"} {
		folders, err := os.ReadDir("k8s/" + kind)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range folders {
			if !strings.Contains(page, kind+"/"+f.Name()) {
				t.Errorf("%s/%s is not told", kind, f.Name())
			}
		}
	}
	for _, m := range regexp.MustCompile(`deploy/[\w./-]+\w`).FindAllString(page, -1) {
		if _, err := os.Stat("../" + m); err != nil {
			t.Errorf("%s is told and not there", m)
		}
	}
}

// TestOwn: the kustomization that docs/deploy.md tells to write does what it says.
func TestOwn(t *testing.T) {
	_, text, _ := strings.Cut(read(t, "../docs/deploy.md"), "# kustomization.yaml\n")
	text, _, ok := strings.Cut(text, "```")
	if !ok {
		t.Fatal("docs/deploy.md has no kustomization.yaml")
	}
	text = strings.ReplaceAll(text, "https://git.example/sightline//deploy/k8s/", "../")
	text = regexp.MustCompile(`\?ref=\S+`).ReplaceAllString(text, "")
	c := built(t, kustomizeText(t, text))
	for _, w := range c.workloads() {
		for _, each := range w.containers() {
			if !strings.HasPrefix(each.Image, "your.registry/") {
				t.Errorf("%s has the image %s", w, each.Image)
			}
			if args := expand(c, each); each.Name == "feed" && args[2] != "https://your.shop/products.xml" {
				t.Errorf("feed: %v", args)
			}
		}
	}
	if !c.has("CronJob", "feed") {
		t.Error("there is no feed")
	}
}

// TestMetricNames: what the autoscaler and its adapter go by is a metric of docs/metrics.md,
// and the operator's alerts are those of deploy/prometheus.
func TestMetricNames(t *testing.T) {
	metrics := read(t, "../docs/metrics.md")
	var adapter struct {
		Rules []struct {
			SeriesQuery  string            `json:"seriesQuery"`
			Resources    map[string]any    `json:"resources"`
			Name         map[string]string `json:"name"`
			MetricsQuery string            `json:"metricsQuery"`
		} `json:"rules"`
	}
	if err := strictly([]byte(read(t, "prometheus/adapter.yaml")), &adapter); err != nil {
		t.Fatal(err)
	}
	offered := map[string]bool{}
	for _, r := range adapter.Rules {
		name, _, _ := strings.Cut(r.SeriesQuery, "{")
		offered[r.Name["as"]] = strings.Contains(metrics, "`"+name+"`")
	}
	c := built(t, kustomizeWith(t, "overlays/cluster", "hpa-queue", "monitoring"))
	for _, m := range all[*autoscalingv2.HorizontalPodAutoscaler](c)[0].Spec.Metrics {
		if m.Pods == nil || !offered[m.Pods.Metric.Name] {
			t.Errorf("the adapter does not offer %+v", m)
		}
	}
	var alerts struct {
		Groups []ruleGroup `json:"groups"`
	}
	if err := yaml.UnmarshalStrict([]byte(read(t, "prometheus/alerts.yaml")), &alerts); err != nil {
		t.Fatal(err)
	}
	if rules := all[*prometheusRule](c)[0].Spec.Groups; !reflect.DeepEqual(rules, alerts.Groups) {
		t.Error("components/monitoring/rules.yaml and deploy/prometheus/alerts.yaml differ: copy the groups")
	}
}

// TestDrainTimes: the times that pods' ends are reckoned from are those of the programs.
func TestDrainTimes(t *testing.T) {
	for path, text := range map[string]string{
		"../cmd/searchd/run.go":  "const drain = 20 * time.Second",
		"../cmd/indexd/serve.go": "const drain = 20 * time.Second",
		"../docs/queue.md":       "| `Run`: `Workers`, `Lease`, `Drain` | 1, 30 s, 10 s |",
	} {
		if !strings.Contains(read(t, path), text) {
			t.Errorf("%s says no longer %q: the constants in network_test.go and the grace periods follow from it", path, text)
		}
	}
}
