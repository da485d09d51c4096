// This file uses inotify. Unlike fsnotify, it distinguishes a rename from a new
// file, and reports when a writer has closed a file.

package watch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	folderMask = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE | unix.IN_DELETE_SELF |
		unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	fileMask = unix.IN_MODIFY | unix.IN_CLOSE_WRITE | unix.IN_ATTRIB | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF
)

// inotify is the kernel's queue of events.
type inotify struct {
	file *os.File
	fd   int
	out  chan event
	done chan struct{}

	mu      sync.Mutex
	closed  bool
	watched map[int32][]string // the paths for which a watch was added
}

func newNotifier() (notifier, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch files: %w%s", err, exhausted(err))
	}
	n := &inotify{
		file: os.NewFile(uintptr(fd), "inotify"), fd: fd,
		out: make(chan event), done: make(chan struct{}), watched: map[int32][]string{},
	}
	go n.read()
	return n, nil
}

// exhausted returns which limit of the system was reached.
func exhausted(err error) string {
	switch {
	case errors.Is(err, unix.EMFILE):
		return " (fs.inotify.max_user_instances, or open files)"
	case errors.Is(err, unix.ENOSPC):
		return " (fs.inotify.max_user_watches)"
	}
	return ""
}

func (n *inotify) events() <-chan event { return n.out }

func (n *inotify) close() {
	n.mu.Lock() // the descriptor must not be used after it was closed and reused
	defer n.mu.Unlock()
	n.closed = true
	close(n.done)
	_ = n.file.Close()
}

// follow adds every watch again. This renews the watches whose file was
// replaced, and does not change the others.
func (n *inotify) follow(folders, files []string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil
	}
	next := map[int32][]string{}
	var failed error
	add := func(path string, mask uint32) {
		wd, err := unix.InotifyAddWatch(n.fd, path, mask)
		switch {
		case err == nil:
			next[int32(wd)] = append(next[int32(wd)], path)
		case errors.Is(err, unix.ENOSPC):
			failed = fmt.Errorf("watch %s: %w%s", path, err, exhausted(err))
		}
	}
	for _, folder := range folders {
		add(folder, folderMask)
	}
	for _, file := range files {
		add(file, fileMask)
	}
	for wd := range n.watched {
		if _, used := next[wd]; !used {
			_, _ = unix.InotifyRmWatch(n.fd, uint32(wd)) // the kernel may have removed it already
		}
	}
	n.watched = next
	return failed
}

// read sends events on until the queue is closed.
func (n *inotify) read() {
	buffer := make([]byte, 64<<10)
	for {
		size, err := n.file.Read(buffer)
		if err != nil {
			return
		}
		for rest := buffer[:size]; len(rest) >= unix.SizeofInotifyEvent; {
			wd := int32(binary.NativeEndian.Uint32(rest))
			mask := binary.NativeEndian.Uint32(rest[4:])
			end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(rest[12:]))
			name := strings.TrimRight(string(rest[unix.SizeofInotifyEvent:end]), "\x00")
			rest = rest[end:]
			for _, e := range n.translate(wd, mask, name) {
				select {
				case n.out <- e:
				case <-n.done:
					return
				}
			}
		}
	}
}

// translate returns the events for one inotify event.
func (n *inotify) translate(wd int32, mask uint32, name string) []event {
	if mask&unix.IN_Q_OVERFLOW != 0 {
		return []event{{}}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	var made []event
	for _, path := range n.watched[wd] {
		if name != "" {
			path = filepath.Join(path, name)
		}
		made = append(made, event{path, kindOf(mask, name != "")})
	}
	return made
}

func kindOf(mask uint32, inFolder bool) kind {
	switch {
	case mask&unix.IN_MOVED_TO != 0:
		return renamedInto
	case mask&unix.IN_CREATE != 0:
		return created
	case inFolder && mask&(unix.IN_DELETE|unix.IN_MOVED_FROM) != 0:
		return gone
	case mask&unix.IN_MODIFY != 0:
		return written
	case mask&unix.IN_CLOSE_WRITE != 0:
		return closed
	}
	return anything
}
