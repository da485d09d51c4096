// This file has the events that the system reports about edits.

package watch

// notifier reports edits.
type notifier interface {
	// follow replaces the followed files: names that appear and disappear in
	// the folders, and writes to the files. It returns an error when the system
	// has no more watches. Polling covers everything that does not exist or
	// cannot be watched.
	follow(folders, files []string) error
	events() <-chan event
	close()
}

// event is one report. An event without a path may concern any file.
type event struct {
	path string
	kind kind
}

// kind is the kind of change of a file.
type kind int

const (
	anything    kind = iota
	created          // a name was created
	renamedInto      // a name was created by a rename: its file is complete
	gone             // a name was removed
	written          // the file was written to
	closed           // a writer has closed the file
)
