package watch_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestWatchBindMount edits the source of a mount of one file: nothing happens
// in the folder in which it is mounted.
func TestWatchBindMount(t *testing.T) {
	t.Parallel()
	source, path := filepath.Join(t.TempDir(), "source.yaml"), filepath.Join(t.TempDir(), "routes.yaml")
	write(t, source, "one")
	write(t, path, "")
	if err := syscall.Mount(source, path, "", syscall.MS_BIND, ""); err != nil {
		// Who may not mount has a hard link: one file under two names, so the
		// folder of the one tells nothing of a write through the other either.
		must(t, os.Remove(path))
		must(t, os.Link(source, path))
	} else {
		t.Cleanup(func() { _ = syscall.Unmount(path, syscall.MNT_DETACH) })
	}
	file := followEdits(t, path, settle, never)
	write(t, source, "two")
	file.await(t, "edit of the mount's source")
}
