package checkpoint_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/encoder/convert/checkpoint"
)

// TestStreamingGivesPagesBack: after 256 MiB have been streamed, the mapping
// holds next to nothing of them resident. The file is sparse: it takes no disk.
func TestStreamingGivesPagesBack(t *testing.T) {
	const size = 256 << 20
	header := fmt.Sprintf(`{"w":{"dtype":"F32","shape":[%d],"data_offsets":[0,%d]}}`, size/4, size)
	path := filepath.Join(t.TempDir(), "w.safetensors")
	if err := os.WriteFile(path, append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 8+int64(len(header))+size); err != nil {
		t.Fatal(err)
	}
	c, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer closeIt(t, c)
	if !c.Mapped() {
		t.Skip("this file system cannot map files")
	}
	before := residentFileKB(t)
	tensor, _ := c.Tensor("w")
	if err := tensor.WriteFloat32(touch{}); err != nil {
		t.Fatal(err)
	}
	if grown := residentFileKB(t) - before; grown > 8<<10 {
		t.Errorf("%d kB of the file stay resident", grown)
	}
}

// touch reads a byte a page, so that every page is mapped in.
type touch struct{}

func (touch) Write(p []byte) (int, error) {
	var sum byte
	for i := 0; i < len(p); i += 4096 {
		sum += p[i]
	}
	if sum != 0 {
		return 0, io.ErrUnexpectedEOF
	}
	return len(p), nil
}

// residentFileKB is what of mapped files is in this process's memory.
func residentFileKB(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc here")
	}
	_, after, ok := strings.Cut(string(status), "RssFile:")
	var kb int
	if _, err := fmt.Sscan(after, &kb); !ok || err != nil {
		t.Skip("no RssFile in /proc/self/status")
	}
	return kb
}
