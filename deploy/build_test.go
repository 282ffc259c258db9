// Package deploy holds tests of what Sightline is deployed with: images, compose
// files, units of systemd and manifests for Kubernetes. It is a module of its own, so
// that Kubernetes' types burden nothing but these tests.
package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// kinds makes an empty object of every kind that may be here. Others are refused.
var kinds = map[string]func() metav1.Object{
	"v1/Namespace":                            func() metav1.Object { return &corev1.Namespace{} },
	"v1/ServiceAccount":                       func() metav1.Object { return &corev1.ServiceAccount{} },
	"v1/Service":                              func() metav1.Object { return &corev1.Service{} },
	"v1/ConfigMap":                            func() metav1.Object { return &corev1.ConfigMap{} },
	"v1/PersistentVolumeClaim":                func() metav1.Object { return &corev1.PersistentVolumeClaim{} },
	"apps/v1/StatefulSet":                     func() metav1.Object { return &appsv1.StatefulSet{} },
	"apps/v1/Deployment":                      func() metav1.Object { return &appsv1.Deployment{} },
	"batch/v1/Job":                            func() metav1.Object { return &batchv1.Job{} },
	"batch/v1/CronJob":                        func() metav1.Object { return &batchv1.CronJob{} },
	"policy/v1/PodDisruptionBudget":           func() metav1.Object { return &policyv1.PodDisruptionBudget{} },
	"autoscaling/v2/HorizontalPodAutoscaler":  func() metav1.Object { return &autoscalingv2.HorizontalPodAutoscaler{} },
	"networking.k8s.io/v1/NetworkPolicy":      func() metav1.Object { return &networkingv1.NetworkPolicy{} },
	"monitoring.coreos.com/v1/ServiceMonitor": func() metav1.Object { return &serviceMonitor{} },
	"monitoring.coreos.com/v1/PrometheusRule": func() metav1.Object { return &prometheusRule{} },
}

// overlays are what is meant to be applied as it is; jobs are run when wanted.
var (
	overlays = []string{"standalone", "cluster", "cpu", "gpu", "cluster-gpu"}
	jobs     = []string{"migrate-standalone", "migrate-cluster", "restore", "repair"}
)

// targets are all folders to build.
func targets() []string {
	var all []string
	for _, o := range overlays {
		all = append(all, "overlays/"+o)
	}
	for _, j := range jobs {
		all = append(all, "jobs/"+j)
	}
	return all
}

// kustomize builds a folder of k8s, as kubectl apply -k would.
func kustomize(t *testing.T, folder string) []byte {
	t.Helper()
	m, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join("k8s", folder))
	if err != nil {
		t.Fatalf("kustomize build %s: %v", folder, err)
	}
	text, err := m.AsYaml()
	if err != nil {
		t.Fatalf("kustomize build %s: %v", folder, err)
	}
	return text
}

// kustomizeWith builds a folder with components that it does not have by itself, as a
// user's own kustomization would.
func kustomizeWith(t *testing.T, folder string, components ...string) []byte {
	t.Helper()
	text := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../" + folder + "]\ncomponents:\n"
	for _, c := range components {
		text += "  - ../components/" + c + "\n"
	}
	return kustomizeText(t, text)
}

// kustomizeText builds a kustomization that stands beside ours.
func kustomizeText(t *testing.T, text string) []byte {
	t.Helper()
	disk, memory := filesys.MakeFsOnDisk(), filesys.MakeFsInMemory()
	err := disk.Walk("k8s", copyInto(disk, memory))
	if err == nil {
		err = memory.WriteFile("k8s/mine/kustomization.yaml", []byte(text))
	}
	if err != nil {
		t.Fatal(err)
	}
	m, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(memory, "k8s/mine")
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	built, err := m.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return built
}

// decode reads objects strictly: a field that a kind does not have, one that is there
// twice, and a value of the wrong type are errors.
func decode(text []byte) (*cluster, error) {
	c := &cluster{}
	for _, doc := range bytes.Split(text, []byte("\n---\n")) {
		var head metav1.TypeMeta
		if err := yaml.Unmarshal(doc, &head); err != nil {
			return nil, err
		}
		make, ok := kinds[head.APIVersion+"/"+head.Kind]
		if !ok {
			return nil, fmt.Errorf("%s/%s is none of the kinds that are known here", head.APIVersion, head.Kind)
		}
		o := make()
		if err := strictly(doc, o); err != nil {
			return nil, fmt.Errorf("%s %s: %w", head.Kind, o.GetName(), err)
		}
		c.add(head.Kind, o)
	}
	return c, nil
}

// strictly reads as Kubernetes does: names of fields by case.
func strictly(doc []byte, into any) error {
	text, err := yaml.YAMLToJSONStrict(doc)
	if err != nil {
		return err
	}
	problems, err := kjson.UnmarshalStrict(text, into)
	return errors.Join(append(problems, err)...)
}

// built decodes what kustomize makes of a folder.
func built(t *testing.T, text []byte) *cluster {
	t.Helper()
	c, err := decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// with is the objects of a folder beside those of others, for jobs that use them.
func with(t *testing.T, folders ...string) *cluster {
	t.Helper()
	texts := make([]string, len(folders))
	for i, f := range folders {
		texts[i] = string(kustomize(t, f))
	}
	return built(t, []byte(strings.Join(texts, "---\n")))
}

// TestBuilds: every overlay, job and component builds and is what Kubernetes
// knows, in the namespace that it says.
func TestBuilds(t *testing.T) {
	for _, folder := range targets() {
		t.Run(folder, func(t *testing.T) {
			for _, o := range built(t, kustomize(t, folder)).objects {
				if o.kind != "Namespace" && o.GetNamespace() != "sightline" {
					t.Errorf("%s is in the namespace %q", o, o.GetNamespace())
				}
			}
		})
	}
	for _, c := range []string{"feed", "monitoring", "model-url", "model-pull", "hpa-queue", "gpu"} {
		t.Run("cluster with "+c, func(t *testing.T) { built(t, kustomizeWith(t, "overlays/cluster", c)) })
	}
}

// TestStrict: decode notices what it is there for.
func TestStrict(t *testing.T) {
	good := string(kustomize(t, "overlays/cluster"))
	for _, change := range [][2]string{
		{"readOnlyRootFilesystem: true", "readOnlyRootFileSystem: true"},
		{"failureThreshold: 300", "failureThreshold: often"},
		{"minReplicas: 2", "minReplicas: 2\n  minReplicas: 3"},
		{"apiVersion: policy/v1\n", "apiVersion: policy/v1beta1\n"},
		{"memory: 4Gi", "memory: 4 GB"},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Errorf("there is no %q to change", change[0])
		} else if _, err := decode([]byte(bad)); err == nil {
			t.Errorf("%q passed", change[1])
		}
	}
}
