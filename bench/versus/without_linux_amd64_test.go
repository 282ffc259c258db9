package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWithoutAMX: the program runs, and the kernel refuses it that one request.
func TestWithoutAMX(t *testing.T) {
	if os.Getenv("VERSUS_ASK_AMX") != "" {
		const registers = 18 // of AMX
		_, _, errno := unix.Syscall(unix.SYS_ARCH_PRCTL, archReqPermission, registers, 0)
		if errno != unix.EPERM {
			t.Errorf("asking for AMX: %v, want %v", errno, unix.EPERM)
		}
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, withoutCommand, self, "-test.run=^TestWithoutAMX$", "-test.v")
	cmd.Env = append(os.Environ(), "VERSUS_ASK_AMX=1")
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(string(out), "refuse AMX") {
		t.Skipf("no seccomp filter can be set here: %s", out)
	}
	if err != nil || !strings.Contains(string(out), "PASS: TestWithoutAMX") {
		t.Errorf("%v: %s", err, out)
	}
	if err := withoutAMX(nil); err == nil {
		t.Error("no program, no error")
	}
}
