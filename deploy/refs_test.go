package deploy

import (
	"fmt"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
)

// secrets are made by the operator, as docs/deploy.md tells: their names and keys.
var secrets = map[string][]string{
	"sightline-keys":     {"keys.jsonl"},
	"sightline-backends": {"milvus-token", "redis-password", "s3-credentials"},
	"sightline-feed":     {"key"},
	"sightline-metrics":  {"key"},
}

// referenced: ConfigMaps, accounts and claims are there, Secrets are among those that
// docs/deploy.md tells to make, and files in them have a key.
func referenced(c *cluster) []string {
	var problems []string
	lacks := func(w fmt.Stringer, format string, args ...any) {
		problems = append(problems, fmt.Sprintf("%s: there is no ", w)+fmt.Sprintf(format, args...))
	}
	for _, w := range c.workloads() {
		if !c.has("ServiceAccount", w.pod.Spec.ServiceAccountName) {
			lacks(w, "account %q", w.pod.Spec.ServiceAccountName)
		}
		for _, v := range w.pod.Spec.Volumes {
			if v.Secret != nil && secrets[v.Secret.SecretName] == nil {
				lacks(w, "Secret %s", v.Secret.SecretName)
			}
			if v.PersistentVolumeClaim != nil && !c.claimed(v.PersistentVolumeClaim.ClaimName) {
				lacks(w, "claim %s", v.PersistentVolumeClaim.ClaimName)
			}
		}
		for _, each := range w.containers() {
			for _, from := range each.EnvFrom {
				if _, ok := c.configMap(from.ConfigMapRef.Name); !ok {
					lacks(w, "ConfigMap %s", from.ConfigMapRef.Name)
				}
			}
			for _, path := range secretPaths(c, each) {
				if !w.delivers(each, path) {
					lacks(w, "key for %s in the Secret mounted there", path)
				}
			}
		}
	}
	for _, m := range all[*serviceMonitor](c) {
		for _, e := range m.Spec.Endpoints {
			if s := e.Authorization.Credentials; !slices.Contains(secrets[s.Name], s.Key) {
				problems = append(problems, "ServiceMonitor: there is no Secret "+s.Name+" with "+s.Key)
			}
		}
	}
	return problems
}

// secretRoot is where Secrets are mounted.
const secretRoot = "/run/sightline/"

// secretPaths are the files of Secrets that a container's variables name.
func secretPaths(c *cluster, each corev1.Container) []string {
	var paths []string
	for name, value := range environment(c, each) {
		if strings.HasPrefix(value, secretRoot) && (name != "SIGHTLINE_KEYS" || each.Name == "searchd") {
			paths = append(paths, value)
		}
	}
	return paths
}

// delivers tells whether a path is a key of a Secret that is mounted there.
func (w workload) delivers(each corev1.Container, path string) bool {
	for _, m := range each.VolumeMounts {
		key, ok := strings.CutPrefix(path, m.MountPath+"/")
		for _, v := range w.pod.Spec.Volumes {
			if ok && v.Name == m.Name && v.Secret != nil && slices.Contains(secrets[v.Secret.SecretName], key) {
				return true
			}
		}
	}
	return false
}

// claimed tells whether a claim is an object or one that a StatefulSet makes.
func (c *cluster) claimed(name string) bool {
	return c.has("PersistentVolumeClaim", name) || slices.ContainsFunc(c.workloads(), func(w workload) bool {
		return slices.ContainsFunc(w.claims, func(v corev1.PersistentVolumeClaim) bool { return v.Name+"-"+w.GetName()+"-0" == name })
	})
}

// reached: a Service has pods, and these the port that it names; scrapes have a
// Service with theirs.
func reached(c *cluster) []string {
	var problems []string
	for _, s := range all[*corev1.Service](c) {
		found := false
		for _, w := range c.workloads() {
			if matchesAll(s.Spec.Selector, w.pod.Labels) {
				found = true
				for _, p := range s.Spec.Ports {
					if port, ok := w.port(p.TargetPort.String()); !ok || port != p.Port {
						problems = append(problems, fmt.Sprintf("Service %s: %s has no port %s that is %d", s.Name, w, p.TargetPort.String(), p.Port))
					}
				}
			}
		}
		if !found {
			problems = append(problems, "Service "+s.Name+" has no pods")
		}
	}
	for _, m := range all[*serviceMonitor](c) {
		for _, e := range m.Spec.Endpoints {
			if !slices.ContainsFunc(all[*corev1.Service](c), func(s *corev1.Service) bool {
				return matches(&m.Spec.Selector, s.Labels) && s.Labels[m.Spec.JobLabel] == "sightline" && s.Spec.Ports[0].Name == e.Port
			}) {
				problems = append(problems, "ServiceMonitor "+m.Name+" finds no Service of the job sightline with port "+e.Port)
			}
		}
	}
	for _, w := range c.workloads() {
		for _, each := range w.containers() {
			for _, p := range []*corev1.Probe{each.StartupProbe, each.ReadinessProbe, each.LivenessProbe} {
				if p == nil {
					continue
				}
				if _, ok := w.port(p.HTTPGet.Port.String()); !ok {
					problems = append(problems, fmt.Sprintf("%s: a probe of port %s", w, p.HTTPGet.Port.String()))
				}
			}
		}
	}
	return problems
}

func matchesAll(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// port is the number of a port of the pod.
func (w workload) port(name string) (int32, bool) {
	for _, each := range w.pod.Spec.Containers {
		for _, p := range each.Ports {
			if p.Name == name {
				return p.ContainerPort, true
			}
		}
	}
	return 0, false
}

// scaled: the autoscaler's target is there and leaves its replicas to it, and what it
// measures as a part of a request is requested.
func scaled(c *cluster) []string {
	var problems []string
	for _, h := range all[*autoscalingv2.HorizontalPodAutoscaler](c) {
		target := h.Spec.ScaleTargetRef
		i := slices.IndexFunc(c.workloads(), func(w workload) bool { return w.kind == target.Kind && w.GetName() == target.Name })
		if i < 0 {
			problems = append(problems, "there is no "+target.Kind+" "+target.Name)
			continue
		}
		if w := c.workloads()[i]; w.replicas != nil {
			problems = append(problems, fmt.Sprintf("%s sets replicas beside its autoscaler", w))
		}
		if h.Spec.MinReplicas == nil || *h.Spec.MinReplicas < 2 || h.Spec.MaxReplicas < *h.Spec.MinReplicas || len(h.Spec.Metrics) == 0 {
			problems = append(problems, h.Name+": fewer than two, or none measured")
		}
	}
	return problems
}

// disruptable: a budget has pods and lets one of them go; one pod alone has none.
func disruptable(c *cluster) []string {
	var problems []string
	for _, b := range all[*policyv1.PodDisruptionBudget](c) {
		replicas := 0
		for _, w := range c.workloads() {
			if matches(b.Spec.Selector, w.pod.Labels) {
				replicas = c.leastReplicas(w)
			}
		}
		most := b.Spec.MaxUnavailable != nil && b.Spec.MaxUnavailable.IntValue() >= 1 && b.Spec.MaxUnavailable.IntValue() < replicas
		least := b.Spec.MinAvailable != nil && b.Spec.MinAvailable.IntValue() < replicas
		if !most && !least {
			problems = append(problems, fmt.Sprintf("%s lets none of %d pods go", b.Name, replicas))
		}
	}
	return problems
}

func (c *cluster) leastReplicas(w workload) int {
	for _, h := range all[*autoscalingv2.HorizontalPodAutoscaler](c) {
		if h.Spec.ScaleTargetRef.Name == w.GetName() && h.Spec.MinReplicas != nil {
			return int(*h.Spec.MinReplicas)
		}
	}
	if w.replicas == nil {
		return 1
	}
	return int(*w.replicas)
}

// selected: a workload selects its own pods and no other's, jobs' neither, and a
// StatefulSet's Service is there.
func selected(c *cluster) []string {
	var problems []string
	for _, w := range c.workloads() {
		if w.selector == nil {
			continue
		}
		for _, other := range c.workloads() {
			if own := other.object == w.object; matches(w.selector, other.pod.Labels) != own {
				problems = append(problems, fmt.Sprintf("%s and the pods of %s", w, other))
			}
		}
		if s := c.serviceName(w); s != "" && !c.has("Service", s) {
			problems = append(problems, fmt.Sprintf("%s: there is no Service %s", w, s))
		}
	}
	return problems
}
