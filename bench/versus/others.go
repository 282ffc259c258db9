package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ticks are processor time in the unit of /proc, 10 ms on every Linux that Go
// runs on.
type ticks struct{ all, idle, own int64 }

// ticksNow reads what all processors did, steal by a hypervisor among it, and
// what a process and its threads used.
func ticksNow(pid int) ticks {
	var t ticks
	text, _ := os.ReadFile("/proc/stat") // no figure where there is none
	line, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(strings.TrimPrefix(line, "cpu ")) {
		n, _ := strconv.ParseInt(field, 10, 64) // 0 where it is no number
		if i == 3 || i == 4 {                   // idle, and waiting for a disk
			t.idle += n
		}
		if i < 8 { // what comes behind is counted in the first two
			t.all += n
		}
	}
	text, _ = os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(text), ") ") // behind the name, which may have spaces
	if fields := strings.Fields(rest); len(fields) > 12 {
		user, _ := strconv.ParseInt(fields[11], 10, 64)
		system, _ := strconv.ParseInt(fields[12], 10, 64)
		t.own = user + system
	}
	return t
}

// others is the share of all processors that others than the process had since
// before.
func (t ticks) others(before ticks) float64 {
	all := t.all - before.all
	if all <= 0 {
		return 0
	}
	return max(0, float64(all-(t.idle-before.idle)-(t.own-before.own))/float64(all))
}
