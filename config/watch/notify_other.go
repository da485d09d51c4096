//go:build !linux

// This file uses fsnotify, where there is no inotify. It does not distinguish a
// rename from a new file, so every edit must be quiet for a while first.

package watch

import (
	"fmt"

	"github.com/fsnotify/fsnotify"
)

// fsnotifier implements notifier with fsnotify.
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

// read reports that something has happened. It drops a report while an earlier
// one is pending: a check finds out what has changed.
func (n *fsnotifier) read() {
	for {
		select {
		case _, ok := <-n.watcher.Events:
			if !ok {
				return
			}
		case _, ok := <-n.watcher.Errors: // probably events were lost
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
