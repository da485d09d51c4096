// What the system reports about edits.

package watch

// notifier reports edits.
type notifier interface {
	// follow replaces what is followed: names that come and go in the folders, and
	// writes to the files. It returns an error when the system has no more watches
	// to give; what is not there, or cannot be watched, is left to polling.
	follow(folders, files []string) error
	events() <-chan event
	close()
}

// event is one report. An event without a path may be about any file.
type event struct {
	path string
	kind kind
}

// kind is what happened to a file.
type kind int

const (
	anything    kind = iota
	created          // a name has come by being made
	renamedInto      // a name has come by a rename: what it names is whole
	gone             // a name has gone
	written          // the file was written to
	closed           // a writer has closed the file
)
