//go:build !linux

// What fsnotify tells where there is no inotify. It does not tell a rename from
// a file that is made, so every edit has to be quiet first.

package watch

import (
	"fmt"

	"github.com/fsnotify/fsnotify"
)

type notifier struct {
	watcher *fsnotify.Watcher
	out     chan event
}

func newSigns() (signs, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch files: %w", err)
	}
	n := &notifier{watcher: watcher, out: make(chan event, 1)}
	go n.read()
	return n, nil
}

func (n *notifier) events() <-chan event { return n.out }

func (n *notifier) close() { _ = n.watcher.Close() }

func (n *notifier) follow(folders, files []string) error {
	for _, folder := range folders {
		_ = n.watcher.Add(folder)
	}
	for _, file := range files {
		_ = n.watcher.Add(file)
	}
	return nil
}

// read says that something has happened, and drops what nobody has asked for
// yet: looking finds out what it was.
func (n *notifier) read() {
	for {
		select {
		case _, ok := <-n.watcher.Events:
			if !ok {
				return
			}
		case _, ok := <-n.watcher.Errors: // signs were lost, most likely
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
