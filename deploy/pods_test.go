package deploy

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// check is what is wrong with a set of objects, a line each.
type check func(c *cluster) []string

// checks are what every set of objects must pass.
var checks = map[string]check{
	"pods are confined":          confined,
	"containers are confined":    containersConfined,
	"resources are bounded":      bounded,
	"images are pinned":          pinned,
	"volumes exist":              mounted,
	"references exist":           referenced,
	"services reach pods":        reached,
	"probes and endings fit":     probed,
	"autoscaling fits":           scaled,
	"disruptions are possible":   disruptable,
	"workloads own their labels": selected,
	"network lets through":       connected,
}

// sets are the objects that live together.
func sets(t *testing.T) map[string]*cluster {
	t.Helper()
	found := map[string]*cluster{}
	for _, o := range overlays {
		found[o] = with(t, "overlays/"+o)
	}
	for _, j := range jobs {
		o := "standalone"
		if j == "migrate-cluster" {
			o = "cluster"
		}
		found[j] = with(t, "overlays/"+o, "jobs/"+j)
	}
	for _, o := range []string{"standalone", "cluster"} {
		found[o+" with model-pull"] = built(t, kustomizeWith(t, "overlays/"+o, "model-pull"))
		found[o+" with all"] = built(t, kustomizeWith(t, "overlays/"+o, "feed", "monitoring", "model-url"))
	}
	return found
}

// TestStructure runs every check on everything that is deployed together.
func TestStructure(t *testing.T) {
	for name, c := range sets(t) {
		for what, check := range checks {
			for _, problem := range check(c) {
				t.Errorf("%s: %s: %s", name, what, problem)
			}
		}
	}
}

// mistakes are changes of the overlay cluster, and the check that has to notice each.
var mistakes = []struct{ check, from, to string }{
	{"pods are confined", "runAsNonRoot: true", "runAsNonRoot: false"},
	{"pods are confined", "type: RuntimeDefault", "type: Unconfined"},
	{"pods are confined", "automountServiceAccountToken: false\n      containers", "containers"},
	{"containers are confined", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"},
	{"containers are confined", "- ALL", "- NET_RAW"},
	{"resources are bounded", "memory: 4Gi", "memory: 8Gi"},
	{"resources are bounded", "limits:\n            cpu: \"4\"", "limits:\n            cpu: 3500m"},
	{"images are pinned", "sightline:0.1.0", "sightline:latest"},
	{"images are pinned", "sightline:0.1.0", "sightline"},
	{"volumes exist", "mountPath: /tmp\n          name: tmp", "mountPath: /tmp\n          name: temp"},
	{"volumes exist", "mountPath: /tmp", "mountPath: /data"},
	{"references exist", "name: sightline-backends-", "name: sightline-backend-"},
	{"references exist", "secretName: sightline-keys", "secretName: sightline-key"},
	{"references exist", "/run/sightline/backends/milvus-token", "/run/sightline/backends/token"},
	{"references exist", "serviceAccountName: sightline", "serviceAccountName: other"},
	{"services reach pods", "targetPort: http", "targetPort: web"},
	{"services reach pods", "path: /healthz\n            port: http", "path: /healthz\n            port: web"},
	{"services reach pods", "  selector:\n    app.kubernetes.io/component: searchd\n", "  selector:\n    app.kubernetes.io/component: search\n"},
	{"probes and endings fit", "terminationGracePeriodSeconds: 60", "terminationGracePeriodSeconds: 30"},
	{"probes and endings fit", "path: /healthz", "path: /readyz"},
	{"autoscaling fits", "    kind: Deployment\n    name: searchd", "    kind: Deployment\n    name: search"},
	{"disruptions are possible", "maxUnavailable: 1\n  selector", "minAvailable: 2\n  selector"},
	{"workloads own their labels", "serviceName: indexd\n", "serviceName: index\n"},
	{"network lets through", "port: 19530", "port: 19531"},
	{"network lets through", "port: 6379", "port: 6380"},
	{"network lets through", "port: 53\n      protocol: UDP", "port: 53\n      protocol: TCP"},
	{"network lets through", "name: default-deny\n  namespace: sightline\nspec:\n  podSelector: {}", "name: default-deny\n  namespace: sightline\nspec:\n  podSelector:\n    matchLabels: {a: b}"},
}

// TestChecks: every check notices what it is there for.
func TestChecks(t *testing.T) {
	good := string(kustomize(t, "overlays/cluster"))
	for _, c := range mistakes {
		bad := strings.Replace(good, c.from, c.to, 1)
		if bad == good {
			t.Errorf("there is no %q to change", c.from)
			continue
		}
		objects, err := decode([]byte(bad))
		if err != nil {
			t.Errorf("%q: %v", c.to, err)
		} else if len(checks[c.check](objects)) == 0 {
			t.Errorf("%s: %q instead of %q passed", c.check, c.to, c.from)
		}
	}
}

// confined are the demands of Kubernetes' restricted standard on pods.
func confined(c *cluster) []string {
	var problems []string
	for _, w := range c.workloads() {
		s, p := w.pod.Spec, w.pod.Spec.SecurityContext
		for what, wrong := range map[string]bool{
			"runs as root, or says not who":    p == nil || p.RunAsNonRoot == nil || !*p.RunAsNonRoot || p.RunAsUser == nil || *p.RunAsUser == 0,
			"has no seccomp profile":           p == nil || p.SeccompProfile == nil || p.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault,
			"cannot write to its disks":        p == nil || p.FSGroup == nil,
			"has a token of Kubernetes":        s.AutomountServiceAccountToken == nil || *s.AutomountServiceAccountToken,
			"is told of services by variables": s.EnableServiceLinks == nil || *s.EnableServiceLinks,
			"shares something with its node":   s.HostNetwork || s.HostPID || s.HostIPC,
		} {
			if wrong {
				problems = append(problems, fmt.Sprintf("%s %s", w, what))
			}
		}
	}
	return problems
}

// containersConfined are its demands on containers, and a root that cannot be written.
func containersConfined(c *cluster) []string {
	var problems []string
	for _, w := range c.workloads() {
		for _, each := range w.containers() {
			s := each.SecurityContext
			if s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
				s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.Privileged != nil ||
				s.Capabilities == nil || len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" || len(s.Capabilities.Add) > 0 {
				problems = append(problems, fmt.Sprintf("%s, container %s", w, each.Name))
			}
		}
	}
	return problems
}

// bounded: memory and processors have a limit; what serves has all that it may use
// for itself, in whole CPUs, since Go and ONNX Runtime start a thread for each.
func bounded(c *cluster) []string {
	var problems []string
	for _, w := range c.workloads() {
		for _, each := range w.containers() {
			limits, requests := each.Resources.Limits, each.Resources.Requests
			for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
				limit, request := limits[name], requests[name]
				if limit.IsZero() || request.IsZero() || request.Cmp(limit) > 0 {
					problems = append(problems, fmt.Sprintf("%s, container %s: %s %s of %s", w, each.Name, name, &request, &limit))
				}
			}
			if len(each.Ports) == 0 {
				continue
			}
			if limits.Cpu().MilliValue()%1000 != 0 || limits.Cpu().Cmp(*requests.Cpu()) != 0 || limits.Memory().Cmp(*requests.Memory()) != 0 {
				problems = append(problems, fmt.Sprintf("%s, container %s serves with less than its limits, or with parts of CPUs", w, each.Name))
			}
		}
		for _, v := range w.pod.Spec.Volumes {
			if v.EmptyDir != nil && v.EmptyDir.SizeLimit == nil {
				problems = append(problems, fmt.Sprintf("%s: the folder %s has no limit", w, v.Name))
			}
		}
	}
	return problems
}

// pinned: an image has a tag, which is not latest, and all of ours are of one version.
func pinned(c *cluster) []string {
	var problems []string
	ours := map[string]bool{}
	for _, w := range c.workloads() {
		for _, each := range w.containers() {
			name, tag, ok := strings.Cut(each.Image, ":")
			if !ok || tag == "" || tag == "latest" {
				problems = append(problems, fmt.Sprintf("%s: %s", w, each.Image))
			}
			if strings.HasSuffix(name, "/sightline") {
				ours[each.Image] = true
			}
		}
	}
	if len(ours) != 1 {
		problems = append(problems, fmt.Sprintf("several versions of one program: %v", ours))
	}
	return problems
}

// mounted: every mount has its volume, no volume is without a mount, and no place has two.
func mounted(c *cluster) []string {
	var problems []string
	for _, w := range c.workloads() {
		volumes := map[string]bool{} // whether it is used
		for _, v := range w.pod.Spec.Volumes {
			volumes[v.Name] = false
		}
		for _, v := range w.claims {
			volumes[v.Name] = false
		}
		for _, each := range w.containers() {
			places := map[string]bool{}
			for _, m := range each.VolumeMounts {
				if _, ok := volumes[m.Name]; !ok || places[m.MountPath] {
					problems = append(problems, fmt.Sprintf("%s, container %s: %s at %s", w, each.Name, m.Name, m.MountPath))
				}
				volumes[m.Name], places[m.MountPath] = true, true
			}
		}
		for name, used := range volumes {
			if !used {
				problems = append(problems, fmt.Sprintf("%s: nobody mounts %s", w, name))
			}
		}
	}
	return problems
}
