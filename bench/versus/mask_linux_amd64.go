//go:build cgo

package main

/*
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

// Whether CPUID raises a signal in this thread and those that it starts.
static long versus_fault(int on) { return syscall(SYS_arch_prctl, 0x1012, on ? 0 : 1); }

// Answers CPUID as a processor with AVX2 and without AVX-VNNI, AVX-512 and AMX.
static void versus_answer(int sig, siginfo_t *info, void *context) {
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	const uint8_t *at = (const uint8_t *)r[REG_RIP];
	uint32_t leaf = r[REG_RAX], sub = r[REG_RCX], a, b, c, d;
	if (at[0] != 0x0f || at[1] != 0xa2) { // another fault: die of it, as without this
		signal(sig, SIG_DFL);
		return;
	}
	versus_fault(0);
	__cpuid_count(leaf, sub, a, b, c, d);
	versus_fault(1);
	if (leaf == 7 && sub == 0) {
		b &= ~(1u << 16 | 1u << 17 | 1u << 21 | 1u << 26 | 1u << 27 | 1u << 28 | 1u << 30 | 1u << 31);
		c &= ~(1u << 1 | 1u << 6 | 1u << 11 | 1u << 12 | 1u << 14);
		d &= ~(1u << 2 | 1u << 3 | 1u << 8 | 1u << 22 | 1u << 23 | 1u << 24 | 1u << 25);
	}
	if (leaf == 7 && sub == 1) a &= ~(1u << 4 | 1u << 5 | 1u << 21 | 1u << 23), d &= ~(1u << 4 | 1u << 5 | 1u << 10 | 1u << 19);
	r[REG_RAX] = a, r[REG_RBX] = b, r[REG_RCX] = c, r[REG_RDX] = d;
	r[REG_RIP] += 2;
}

// Before Go's own handler, which hands on what happens in C.
__attribute__((constructor)) static void versus_listen(void) {
	struct sigaction action;
	if (!getenv("VERSUS_MASK")) return;
	memset(&action, 0, sizeof action);
	action.sa_sigaction = versus_answer;
	action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
	sigaction(SIGSEGV, &action, NULL);
}

static int versus_avx512(void) {
	uint32_t a, b, c, d;
	__cpuid_count(7, 0, a, b, c, d);
	return b >> 16 & 1;
}
*/
import "C"

import (
	"errors"
	"os"
	"runtime"
)

// maskVariable in a worker's environment, with any value, hides what is above
// AVX2 from the libraries that it loads: the only way where one has no switch,
// as ONNX Runtime. It takes a processor and a kernel with CPUID faulting.
const maskVariable = "VERSUS_MASK"

// masked runs load, in which a library finds out what the processor can do, and
// keeps from it all above AVX2 where the environment asks for that.
func masked(load func() error) error {
	if os.Getenv(maskVariable) == "" {
		return load()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if C.versus_fault(1) != 0 {
		return errors.New("this processor or kernel has no CPUID faulting")
	}
	defer C.versus_fault(0)
	if C.versus_avx512() != 0 {
		return errors.New("AVX-512 cannot be hidden")
	}
	return load()
}
