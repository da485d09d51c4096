// Tests on a system that reports no edits.

package watch

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// Polling alone finds files that appear and go away.
func TestPollFindsFiles(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	told := make(chan struct{}, 100)
	files := &Files{options: Options{Poll: 20 * time.Millisecond, Log: slog.New(slog.DiscardHandler)}, changed: make(chan struct{}, 1)}
	table := filepath.Join(folder, "routes.yaml")
	testkit.WriteFile(t, table, "table")
	files.Follow(Group{
		Name: "table", Paths: []string{table}, Logs: true,
		More: func() (found, folders []string) {
			found, _ = filepath.Glob(filepath.Join(folder, "routes.d", "*.yaml"))
			return found, []string{filepath.Join(folder, "routes.d")}
		},
		Apply: func(context.Context) error { told <- struct{}{}; return nil },
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		files.Run(t.Context())
	}()
	t.Cleanup(func() { <-ended })
	if err := os.Mkdir(filepath.Join(folder, "next"), 0o700); err != nil {
		t.Fatal(err)
	}
	testkit.WriteFile(t, filepath.Join(folder, "next", "a.yaml"), "a")
	if err := os.Rename(filepath.Join(folder, "next"), filepath.Join(folder, "routes.d")); err != nil {
		t.Fatal(err)
	}
	testkit.Receive(t, "a file that has appeared", told)
	if err := os.RemoveAll(filepath.Join(folder, "routes.d")); err != nil {
		t.Fatal(err)
	}
	testkit.Receive(t, "its removal", told)
}
