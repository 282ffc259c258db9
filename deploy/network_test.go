package deploy

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

func (c *cluster) serviceName(w workload) string {
	if s, ok := w.Object.(*appsv1.StatefulSet); ok {
		return s.Spec.ServiceName
	}
	return ""
}

// Times of the programs that a pod's end has to leave room for: drain in
// cmd/searchd and cmd/indexd, Drain of indexer/queue, and closing what is open.
const (
	drain        = 20 * time.Second
	workersDrain = 10 * time.Second
	closing      = 10 * time.Second
)

// probed: what serves has three probes at the addresses that mean that, and is given
// the time that it takes to end.
func probed(c *cluster) []string {
	var problems []string
	for _, w := range c.workloads() {
		for _, each := range w.pod.Spec.Containers {
			if len(each.Ports) == 0 {
				continue
			}
			for _, p := range []struct {
				probe *corev1.Probe
				path  string
			}{{each.StartupProbe, "/readyz"}, {each.ReadinessProbe, "/readyz"}, {each.LivenessProbe, "/healthz"}} {
				if p.probe == nil || p.probe.HTTPGet == nil || p.probe.HTTPGet.Path != p.path {
					problems = append(problems, fmt.Sprintf("%s: a probe is not that of %s", w, p.path))
				}
			}
			need := drain + workersDrain + closing
			if l := each.Lifecycle; l != nil && l.PreStop != nil && l.PreStop.Sleep != nil {
				need += time.Duration(l.PreStop.Sleep.Seconds) * time.Second
			} else if each.Name == "searchd" {
				problems = append(problems, fmt.Sprintf("%s takes no connection after SIGTERM, and no preStop waits until the Service has heard", w))
			}
			if grace := w.pod.Spec.TerminationGracePeriodSeconds; grace == nil || time.Duration(*grace)*time.Second < need {
				problems = append(problems, fmt.Sprintf("%s is killed before it has ended: it takes %s", w, need))
			}
		}
	}
	return problems
}

// connected: all is denied by default, and each pod reaches what its settings name.
func connected(c *cluster) []string {
	policies := all[*networkingv1.NetworkPolicy](c)
	if !slices.ContainsFunc(policies, denies) {
		return []string{"there is no policy that denies everything by default"}
	}
	var problems []string
	for _, w := range c.workloads() {
		for _, each := range w.containers() {
			wanted := backends(environment(c, each), expand(c, each))
			wanted["names"] = target{host: "kube-dns.kube-system.svc", port: 53}
			wanted["names, by UDP"] = target{host: "kube-dns.kube-system.svc", port: 53, udp: true}
			for what, to := range wanted {
				if !reaches(policies, w, to) {
					problems = append(problems, fmt.Sprintf("%s does not reach %s at %+v", w, what, to))
				}
			}
			if len(each.Ports) > 0 && !called(policies, w, each.Ports[0].Name) {
				problems = append(problems, fmt.Sprintf("nobody reaches port %s of %s", each.Ports[0].Name, w))
			}
		}
	}
	return problems
}

func denies(p *networkingv1.NetworkPolicy) bool {
	return len(p.Spec.PodSelector.MatchLabels) == 0 && len(p.Spec.PodSelector.MatchExpressions) == 0 &&
		len(p.Spec.PolicyTypes) == 2 && len(p.Spec.Egress) == 0 && len(p.Spec.Ingress) == 0
}

// target is an address.
type target struct {
	host string
	port int32
	udp  bool
}

// inner tells whether it is one of the cluster's own, which policies know by labels; others
// they know by their numbers.
func (t target) inner() bool {
	return !strings.Contains(t.host, ".") || strings.HasSuffix(t.host, ".svc")
}

// backends are the addresses that settings name, by what is there.
func backends(env map[string]string, args []string) map[string]target {
	found := map[string]target{}
	if host, port, ok := strings.Cut(env["SIGHTLINE_MILVUS_ADDR"], ":"); ok {
		found["Milvus"] = target{host: host, port: number(port)}
	}
	for what, text := range map[string]string{"Redis": env["SIGHTLINE_REDIS_URL"], "the feed": env["FEED_URL"], "the model": env["MODEL_URL"]} {
		if u, err := url.Parse(text); err == nil && u.Host != "" {
			found[what] = targetOf(u)
		}
	}
	if blobs, err := url.Parse(env["SIGHTLINE_BLOBS"]); err == nil && blobs.Scheme == "s3" {
		found["the bucket"] = target{host: "s3.amazonaws.com", port: 443}
		if e, err := url.Parse(blobs.Query().Get("endpoint")); err == nil && e.Host != "" {
			found["the bucket"] = targetOf(e)
		}
	}
	if env["MODEL_REPO"] != "" {
		found["the hub"] = target{host: "huggingface.co", port: 443}
	}
	if i := slices.Index(args, "--server"); i >= 0 {
		if u, err := url.Parse(args[i+1]); err == nil {
			found["searchd"] = targetOf(u)
		}
	}
	return found
}

func targetOf(u *url.URL) target {
	if p := u.Port(); p != "" {
		return target{host: u.Hostname(), port: number(p)}
	}
	return target{host: u.Hostname(), port: map[string]int32{"http": 80, "https": 443, "redis": 6379, "rediss": 6379}[u.Scheme]}
}

func number(text string) int32 {
	n, _ := strconv.ParseInt(text, 10, 32) // 0 is reached by nobody
	return int32(n)
}

// reaches tells whether some policy lets a pod out to an address. A port by name is
// searchd's, 8080.
func reaches(policies []*networkingv1.NetworkPolicy, w workload, to target) bool {
	return slices.ContainsFunc(policies, func(p *networkingv1.NetworkPolicy) bool {
		return matches(&p.Spec.PodSelector, w.pod.Labels) && slices.ContainsFunc(p.Spec.Egress, func(r networkingv1.NetworkPolicyEgressRule) bool {
			there := slices.ContainsFunc(r.To, func(peer networkingv1.NetworkPolicyPeer) bool { return to.inner() == (peer.IPBlock == nil) })
			return there && slices.ContainsFunc(r.Ports, func(p networkingv1.NetworkPolicyPort) bool {
				udp := p.Protocol != nil && *p.Protocol == corev1.ProtocolUDP
				return udp == to.udp && p.Port.IntVal == to.port || p.Port.StrVal == "http" && to.port == 8080
			})
		})
	})
}

// called tells whether some policy lets others in to a port.
func called(policies []*networkingv1.NetworkPolicy, w workload, port string) bool {
	return slices.ContainsFunc(policies, func(p *networkingv1.NetworkPolicy) bool {
		return matches(&p.Spec.PodSelector, w.pod.Labels) && slices.ContainsFunc(p.Spec.Ingress, func(r networkingv1.NetworkPolicyIngressRule) bool {
			return len(r.From) > 0 && slices.ContainsFunc(r.Ports, func(p networkingv1.NetworkPolicyPort) bool { return p.Port.StrVal == port })
		})
	})
}
