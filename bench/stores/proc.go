package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// memory is what processes hold, in bytes. Now is their proportional set: a page
// of a file that two of their connections map counts once. Peak is the highest
// resident set, for which the system keeps no such figure.
type memory struct{ now, peak int64 }

var (
	nowLine  = regexp.MustCompile(`(?m)^Pss:\s+(\d+) kB$`)
	peakLine = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)
)

// memoryOf adds up processes.
func memoryOf(pids []int) (memory, error) {
	var m memory
	for _, pid := range pids {
		now, err := kilobytes(fmt.Sprintf("/proc/%d/smaps_rollup", pid), nowLine)
		if err != nil {
			return m, err
		}
		peak, err := kilobytes(fmt.Sprintf("/proc/%d/status", pid), peakLine)
		if err != nil {
			return m, err
		}
		m.now, m.peak = m.now+now, m.peak+peak
	}
	return m, nil
}

// kilobytes reads the number of a line, in bytes.
func kilobytes(path string, line *regexp.Regexp) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("read memory (the benchmark needs Linux): %w", err)
	}
	found := line.FindSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("read memory: %s has no line like %s", path, line)
	}
	n, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read memory: %w", err)
	}
	return n << 10, nil
}

// tick is the unit of times in /proc on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// processorTime is of another process: fields 14 and 15 of its stat, counted
// behind the name, which may have spaces.
func processorTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64) // 0 where it is no number
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick
}

// onDisk is what a folder's files take up.
func onDisk(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			total += s.Blocks * 512
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("measure %s: %w", filepath.Base(dir), err)
	}
	return total, nil
}

// machine says what the results are of. It names no host.
type machine struct {
	CPU      string   `json:"cpu"`
	Features []string `json:"cpu_features"`
	Cores    int      `json:"cores"`
	RAM      int64    `json:"ram_bytes"`
	Kernel   string   `json:"kernel"`
	Go       string   `json:"go"`
	Load     string   `json:"load_before"` // 1, 5 and 15 minutes
}

// vectorFeatures are those that decide how fast vectors are compared.
var vectorFeatures = []string{"avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "amx_int8", "asimd", "asimddp"}

func thisMachine() (machine, error) {
	m := machine{Cores: runtime.NumCPU(), Go: runtime.Version(), CPU: "unknown " + runtime.GOARCH}
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
	for _, feature := range vectorFeatures {
		if regexp.MustCompile(`(?m)^(flags|Features)\s*:.*\b` + feature + `\b`).MatchString(text[0]) {
			m.Features = append(m.Features, feature)
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
