package deploy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// serviceMonitor is as much of the Prometheus Operator's kind as is used here;
// decoding refuses all else.
type serviceMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		JobLabel  string               `json:"jobLabel"`
		Selector  metav1.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port          string `json:"port"`
			Path          string `json:"path"`
			Interval      string `json:"interval"`
			ScrapeTimeout string `json:"scrapeTimeout"`
			Authorization struct {
				Type        string                   `json:"type"`
				Credentials corev1.SecretKeySelector `json:"credentials"`
			} `json:"authorization"`
		} `json:"endpoints"`
	} `json:"spec"`
}

// prometheusRule is the same of its rules.
type prometheusRule struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Groups []ruleGroup `json:"groups"`
	} `json:"spec"`
}

type ruleGroup struct {
	Name  string `json:"name"`
	Rules []struct {
		Alert       string            `json:"alert"`
		Expr        string            `json:"expr"`
		For         string            `json:"for"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"rules"`
}

// object is one of a cluster's objects.
type object struct {
	metav1.Object

	kind string
}

func (o object) String() string { return o.kind + " " + o.GetName() }

// cluster is a set of objects that are applied together.
type cluster struct{ objects []object }

func (c *cluster) add(kind string, o metav1.Object) {
	c.objects = append(c.objects, object{o, kind})
}

// all are the objects of one type.
func all[T metav1.Object](c *cluster) []T {
	var found []T
	for _, o := range c.objects {
		if t, ok := o.Object.(T); ok {
			found = append(found, t)
		}
	}
	return found
}

// has tells whether there is an object of that kind and name.
func (c *cluster) has(kind, name string) bool {
	return slices.ContainsFunc(c.objects, func(o object) bool { return o.kind == kind && o.GetName() == name })
}

// workload is what makes pods.
type workload struct {
	object

	pod      corev1.PodTemplateSpec
	selector *metav1.LabelSelector // nil for jobs
	replicas *int32                // nil where an autoscaler sets it, and for jobs
	claims   []corev1.PersistentVolumeClaim
	job      bool
}

func (c *cluster) workloads() []workload {
	var found []workload
	for _, o := range c.objects {
		switch w := o.Object.(type) {
		case *appsv1.StatefulSet:
			found = append(found, workload{object: o, pod: w.Spec.Template, selector: w.Spec.Selector, replicas: w.Spec.Replicas, claims: w.Spec.VolumeClaimTemplates})
		case *appsv1.Deployment:
			found = append(found, workload{object: o, pod: w.Spec.Template, selector: w.Spec.Selector, replicas: w.Spec.Replicas})
		case *batchv1.Job:
			found = append(found, workload{object: o, pod: w.Spec.Template, job: true})
		case *batchv1.CronJob:
			found = append(found, workload{object: o, pod: w.Spec.JobTemplate.Spec.Template, job: true})
		}
	}
	return found
}

// containers are those of a pod, in the order in which they start.
func (w workload) containers() []corev1.Container {
	return slices.Concat(w.pod.Spec.InitContainers, w.pod.Spec.Containers)
}

// matches tells whether labels fulfil a selector, of which only matchLabels is used.
func matches(s *metav1.LabelSelector, labels map[string]string) bool {
	for k, v := range s.MatchLabels {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// configMap is the map of that name; ok false if there is none.
func (c *cluster) configMap(name string) (*corev1.ConfigMap, bool) {
	for _, m := range all[*corev1.ConfigMap](c) {
		if m.Name == name {
			return m, true
		}
	}
	return nil, false
}

// copyInto copies the manifests that Walk meets.
func copyInto(from, to filesys.FileSystem) filepath.WalkFunc {
	return func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() || strings.HasPrefix(info.Name(), ".") {
			return err
		}
		text, err := from.ReadFile(path)
		if err != nil {
			return err
		}
		return to.WriteFile(filepath.ToSlash(path), text)
	}
}
