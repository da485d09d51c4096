package watch_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/config/watch"
	"gatehouse/internal/testkit"
)

const never = time.Hour // for what does not come within a test

// followed runs Files with that testkit.Timeout towards writers.
func followed(t *testing.T, quiet time.Duration) (*watch.Files, *testkit.Log) {
	t.Helper()
	log := new(testkit.Log)
	files := watch.New(watch.Options{
		Settle: 10 * time.Millisecond, Quiet: quiet, Poll: never, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		files.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return files, log
}

// reads makes an Apply that reports what the file holds.
func reads(path string) (apply func(context.Context) error, told <-chan string) {
	contents := make(chan string, 100)
	return func(context.Context) error {
		data, err := os.ReadFile(path)
		contents <- string(data)
		return err
	}, contents
}

func await(t *testing.T, told <-chan string, want string) {
	t.Helper()
	if got := testkit.Receive(t, "the file to be taken", told); got != want {
		t.Fatalf("took %q, want %q", got, want)
	}
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	testkit.WriteFile(t, path, content)
	return path
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestWholeAtOnce does not let what was renamed into place wait, nor what a link
// leads to now, though a writer would have to be quiet for an hour.
func TestWholeAtOnce(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := write(t, filepath.Join(folder, "file"), "one, which is longer")
	files, log := followed(t, never)
	apply, told := reads(path)
	files.Follow(watch.Group{Name: "file", Paths: []string{path}, Apply: apply})
	testkit.ReplaceFile(t, path, "two")
	await(t, told, "two")
	testkit.ReplaceFile(t, path, "t") // the beginning of it, but whole
	await(t, told, "t")

	write(t, path, "") // a writer, who has to wait …
	log.Await(t, "a file is being written in place")
	testkit.ReplaceFile(t, path, "three") // … and a rename, which does not
	await(t, told, "three")
}

// TestLinksAtOnce swaps a folder in the middle of a path, and each link of a
// chain through three folders.
func TestLinksAtOnce(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	at := func(parts ...string) string { return filepath.Join(append([]string{root}, parts...)...) }
	for _, folder := range []string{"a", "b", "c", "d"} {
		must(t, os.Mkdir(at(folder), 0o700))
	}
	write(t, at("c", "file"), "one")
	write(t, at("d", "file"), "two")
	must(t, os.Symlink(at("c"), at("b", "link")))
	must(t, os.Symlink(filepath.Join("..", "b", "link", "file"), at("a", "file")))
	files, _ := followed(t, never)
	apply, told := reads(at("a", "file"))
	files.Follow(watch.Group{Name: "file", Paths: []string{at("a", "file")}, Apply: apply})
	must(t, os.Symlink(at("d"), at("b", "new")))
	must(t, os.Rename(at("b", "new"), at("b", "link")))
	await(t, told, "two")
	must(t, os.Symlink(write(t, at("d", "other"), "three"), at("a", "new")))
	must(t, os.Rename(at("a", "new"), at("a", "file")))
	await(t, told, "three")
}

// TestWriters are waited for until they are quiet, and a part is not applied.
func TestWriters(t *testing.T) {
	t.Parallel()
	path := write(t, filepath.Join(t.TempDir(), "file"), "one\ntwo\n")
	files, log := followed(t, 50*time.Millisecond)
	apply, told := reads(path)
	files.Follow(watch.Group{Name: "file", Paths: []string{path}, Apply: apply})
	write(t, path, "one\n")
	log.Await(t, "holds only the beginning")
	write(t, path, "one\ntwo\nthree\n")
	await(t, told, "one\ntwo\nthree\n")
	write(t, path, "one\n")
	log.Await(t, "changed files cannot be used")
	if failed := files.ApplyNow(t.Context()); len(failed) > 0 {
		t.Errorf("a part that was asked for: %v", failed)
	}
	await(t, told, "one\n")
	write(t, path, "")
	log.Await(t, "it holds only the beginning of what is in use")
}

// TestGroupsAlone keeps what one group cannot use from another, and tries again
// when it has changed.
func TestGroupsAlone(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	good, bad := write(t, filepath.Join(folder, "good"), "1"), write(t, filepath.Join(folder, "bad"), "1")
	files, log := followed(t, 0)
	apply, told := reads(good)
	files.Follow(watch.Group{Name: "good", Paths: []string{good}, Apply: apply})
	badApply, badTold := reads(bad)
	files.Follow(watch.Group{Name: "bad", Paths: []string{bad}, Apply: func(ctx context.Context) error {
		return errors.Join(badApply(ctx), errors.New("it is bad"))
	}})
	testkit.ReplaceFile(t, bad, "22")
	await(t, badTold, "22")
	log.Await(t, "it is bad")
	testkit.ReplaceFile(t, good, "22")
	await(t, told, "22")
	testkit.ReplaceFile(t, bad, "333")
	await(t, badTold, "333")
	if failed := files.ApplyNow(t.Context(), "good"); len(failed) != 1 || !strings.Contains(failed[0].Error(), "bad: ") {
		t.Errorf("TakeNow: %v", failed)
	}
	await(t, badTold, "333")
	if len(told) > 0 {
		t.Error("a group was called that had not changed")
	}
}

// TestApplied is about a file that goes back to what it was before somebody else
// took it.
func TestApplied(t *testing.T) {
	t.Parallel()
	path := write(t, filepath.Join(t.TempDir(), "file"), "one")
	files, _ := followed(t, 0)
	apply, told := reads(path)
	files.Follow(watch.Group{Name: "file", Paths: []string{path}, Apply: apply})
	files.Applied("file", path, watch.Hash([]byte("one")))
	testkit.ReplaceFile(t, path, "two")
	await(t, told, "two")
	files.Applied("file", path, watch.Hash([]byte("three"))) // which it held for a moment
	await(t, told, "two")
	files.Retry("file")
	await(t, told, "two")
}
