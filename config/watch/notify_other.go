//go:build !linux

// fsnotify, where there is no inotify. It does not distinguish a rename from a file
// that is made, so every edit has to be quiet first.

package watch

import (
	"fmt"

	"github.com/fsnotify/fsnotify"
)

// fsnotifier is the notifier by fsnotify.
type fsnotifier struct {
	watcher *fsnotify.Watcher
	out     chan event
}

func newNotifier() (notifier, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch files: %w", err)
	}
	n := &fsnotifier{watcher: watcher, out: make(chan event, 1)}
	go n.read()
	return n, nil
}

func (n *fsnotifier) events() <-chan event { return n.out }

func (n *fsnotifier) close() { _ = n.watcher.Close() }

func (n *fsnotifier) follow(folders, files []string) error {
	for _, folder := range folders {
		_ = n.watcher.Add(folder)
	}
	for _, file := range files {
		_ = n.watcher.Add(file)
	}
	return nil
}

// read passes on that something has happened, and drops what nobody has asked for
// yet: a check finds out what it was.
func (n *fsnotifier) read() {
	for {
		select {
		case _, ok := <-n.watcher.Events:
			if !ok {
				return
			}
		case _, ok := <-n.watcher.Errors: // events were lost, most likely
			if !ok {
				return
			}
		}
		select {
		case n.out <- event{}:
		default:
		}
	}
}
