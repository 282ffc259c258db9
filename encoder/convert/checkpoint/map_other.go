//go:build !unix

package checkpoint

import "os"

// mapFile returns nil: on this system the file is read, not mapped.
func mapFile(*os.File, int) []byte { return nil }

func unmapFile([]byte) error { return nil }

func dropPages([]byte) {}
