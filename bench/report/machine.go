// Package report has what the benchmarks' reports share: what machine it was,
// raw results as JSON, and a section of its own in docs/benchmarks.md.
package report

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Machine says what results are of. It names no host.
type Machine struct {
	CPU      string   `json:"cpu"`
	Features []string `json:"cpu_features"`
	Cores    int      `json:"cores"`
	RAM      int64    `json:"ram_bytes"`
	Kernel   string   `json:"kernel"`
	Go       string   `json:"go"`
	Load     string   `json:"load_before"` // 1, 5 and 15 minutes
}

// AMX is the feature without which bfloat16 is slower than float32.
const AMX = "amx_bf16"

// vectorFeatures are those that decide how fast matrices are multiplied.
var vectorFeatures = []string{"avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", AMX, "amx_int8", "asimd", "asimddp", "bf16"}

// ThisMachine reads /proc, so it needs Linux.
func ThisMachine() (Machine, error) {
	m := Machine{Cores: runtime.NumCPU(), Go: runtime.Version(), CPU: "unknown " + runtime.GOARCH}
	var text [4]string
	for i, path := range []string{"/proc/cpuinfo", "/proc/meminfo", "/proc/sys/kernel/osrelease", "/proc/loadavg"} {
		raw, err := os.ReadFile(path)
		if err != nil {
			return m, errors.Join(errors.New("the benchmark needs Linux"), err)
		}
		text[i] = strings.TrimSpace(string(raw))
	}
	if found := regexp.MustCompile(`(?m)^model name\s*:\s*(.*)$`).FindStringSubmatch(text[0]); found != nil {
		m.CPU = found[1]
	}
	if found := regexp.MustCompile(`(?m)^(?:flags|Features)\s*:\s*(.*)$`).FindStringSubmatch(text[0]); found != nil {
		has := strings.Fields(found[1])
		for _, feature := range vectorFeatures {
			if slices.Contains(has, feature) {
				m.Features = append(m.Features, feature)
			}
		}
	}
	if found := regexp.MustCompile(`(?m)^MemTotal:\s*(\d+) kB$`).FindStringSubmatch(text[1]); found != nil {
		kB, _ := strconv.ParseInt(found[1], 10, 64) // digits
		m.RAM = kB << 10
	}
	m.Kernel = text[2]
	m.Load = strings.Join(strings.Fields(text[3])[:3], " ")
	return m, nil
}

// Busy tells whether something else used more than a quarter of a core in the
// last minute.
func (m Machine) Busy() bool {
	load, err := strconv.ParseFloat(strings.Fields(m.Load)[0], 64)
	return err == nil && load > 0.25
}

// String is the machine as a section names it.
func (m Machine) String() string {
	return fmt.Sprintf("%d cores of %s (%s), %d GB, Linux %s, %s, load before %s",
		m.Cores, m.CPU, strings.Join(m.Features, " "), (m.RAM+1<<29)>>30, m.Kernel, m.Go, m.Load)
}
