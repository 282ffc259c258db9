package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// withoutCommand makes this program become another one to which the kernel
// refuses AMX. Programs have to ask for its registers, and ONNX Runtime, oneDNN
// and MKL all take no for an answer; ONNX Runtime has no switch of its own.
const withoutCommand = "without-amx"

// archReqPermission is the request of arch_prctl for a further processor state,
// of which Linux has AMX's only.
const archReqPermission = 0x1023

func withoutAMX(args []string) error {
	if len(args) == 0 {
		return errors.New("usage: versus " + withoutCommand + " PROGRAM [ARGUMENT…]")
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	runtime.LockOSThread() // the filter is this thread's, and exec keeps it
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("refuse AMX: %w", err)
	}
	filter := refusal()
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil { // #nosec G103 -- the system call's own form
		return fmt.Errorf("refuse AMX: %w", err)
	}
	return unix.Exec(path, args, os.Environ()) // #nosec G204 -- the user's own program
}

// refusal answers that one request with "not permitted" and lets all else pass.
// Its offsets are those of struct seccomp_data.
func refusal() []unix.SockFilter {
	const (
		load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		answer = unix.BPF_RET | unix.BPF_K
	)
	return []unix.SockFilter{
		{Code: load, K: 4},
		{Code: equal, K: unix.AUDIT_ARCH_X86_64, Jf: 5},
		{Code: load, K: 0},
		{Code: equal, K: unix.SYS_ARCH_PRCTL, Jf: 3},
		{Code: load, K: 16},
		{Code: equal, K: archReqPermission, Jf: 1},
		{Code: answer, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: answer, K: unix.SECCOMP_RET_ALLOW},
	}
}
