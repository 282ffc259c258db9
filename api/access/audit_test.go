package access_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sightline/api/access"
)

func TestAuditFile(t *testing.T) {
	path, logs := filepath.Join(t.TempDir(), "audit.jsonl"), &buffer{}
	log := slog.New(slog.NewTextHandler(logs, nil))
	for range 2 { // the second time it is there
		a, err := access.OpenAudit(path, log)
		if err != nil {
			t.Fatal(err)
		}
		a.Write(t.Context(), slog.String("by", "shop"))
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		a.Write(t.Context(), slog.String("by", "late"))
		a.Write(t.Context(), slog.String("by", "late"))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	var line struct{ Time, Msg, By string }
	if err := json.Unmarshal([]byte(lines[0]), &line); err != nil || len(lines) != 2 || line.Msg != "audit" || line.By != "shop" || line.Time == "" {
		t.Errorf("%v: %s", err, data)
	}
	if n := strings.Count(logs.String(), "cannot be written"); n != 2 {
		t.Errorf("complained %d times: %s", n, logs)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestAuditInTheLog(t *testing.T) {
	logs := &buffer{}
	a, err := access.OpenAudit("", slog.New(slog.NewTextHandler(logs, nil)))
	if err != nil {
		t.Fatal(err)
	}
	a.Write(t.Context(), slog.String("by", "shop"))
	if err := a.Close(); err != nil || !strings.Contains(logs.String(), "msg=audit by=shop") {
		t.Errorf("%v, %s", err, logs)
	}
	if _, err := access.OpenAudit(t.TempDir(), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a folder was opened")
	}
}
