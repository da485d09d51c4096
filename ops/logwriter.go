package ops

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// What a LogWriter gathers.
const (
	logDelay  = 100 * time.Millisecond // the longest that a line waits for others
	logPlenty = 64 << 10               // bytes that are written without waiting for more
	maxLog    = 1 << 20                // bytes that may wait while the destination takes none
)

// LogWriter gathers whole log lines, one a Write, and writes many of them to
// its destination at once: 100 milliseconds after the first at the latest, and
// sooner when they are plenty. Write never waits for the destination. When that
// takes nothing for so long that the buffer is full, lines are dropped, counted
// by Dropped, and told of in a line that stands where they are missing. Nothing
// runs, and no timer, while nothing is logged.
//
// There are two buffers: lines that wait, and lines being written. They never
// grow, and a page of them is memory only once it was written to.
type LogWriter struct {
	to     io.Writer
	format func(io.Writer) slog.Handler // for its own line
	timer  *time.Timer                  // runs from the first line that waits
	torn   bool                         // the last line written is half a one; only for run

	mu      sync.Mutex
	lines   []byte // that wait
	spare   []byte // the other buffer, nil while it is being written
	before  int    // lines dropped in front of those that wait
	after   int    // lines dropped behind them, since the buffer is full
	dropped uint64
	due     bool            // what waits is to be written now
	running bool            // run is
	flushed []chan struct{} // closed when run ends
}

// NewLogWriter makes a writer in front of another one, to which nothing else
// needs to be synchronised. The format is the log's, for the line about dropped
// ones.
func NewLogWriter(to io.Writer, format func(io.Writer) slog.Handler) *LogWriter {
	w := &LogWriter{to: to, format: format, lines: make([]byte, 0, maxLog), spare: make([]byte, 0, maxLog)}
	w.timer = time.AfterFunc(logDelay, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.hurry()
	})
	w.timer.Stop()
	return w
}

// Write takes one line, with its line end. It never fails.
func (w *LogWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.add(line)
	if len(w.lines) >= logPlenty {
		w.hurry()
	}
	return len(line), nil
}

// AtOnce is for lines that somebody may be waiting for, such as the reason why
// the process is about to end: they are written without delay, and all that
// wait with them. Write of it does not wait for the destination either.
func (w *LogWriter) AtOnce() io.Writer { return atOnce{w} }

type atOnce struct{ *LogWriter }

func (w atOnce) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.add(line)
	w.hurry()
	return len(line), nil
}

// Flush has all that was logged so far written, and waits until it is, but no
// longer than patience: a pipe that nobody reads must not keep a process alive.
func (w *LogWriter) Flush(patience time.Duration) {
	w.mu.Lock()
	w.hurry()
	if !w.running {
		w.mu.Unlock()
		return
	}
	done := make(chan struct{})
	w.flushed = append(w.flushed, done)
	w.mu.Unlock()
	select {
	case <-done:
	case <-time.After(patience):
	}
}

// Dropped is the number of lines that were lost so far.
func (w *LogWriter) Dropped() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// add keeps a line, or drops it. Once one was dropped, all are until there is
// room again, so that what is missing is missing in one place.
func (w *LogWriter) add(line []byte) {
	if len(w.lines) == 0 && w.after == 0 {
		w.timer.Reset(logDelay)
	}
	if w.after > 0 || len(w.lines)+len(line) > cap(w.lines) {
		w.after++
		w.dropped++
		return
	}
	w.lines = append(w.lines, line...)
}

// hurry has what waits written. While a write is under way, it is next.
func (w *LogWriter) hurry() {
	switch {
	case w.running:
		w.due = true
	case len(w.lines) > 0 || w.before > 0 || w.after > 0:
		w.due, w.running = true, true
		go w.run()
	}
}

// run writes what is due; there is one at a time. Lines that came meanwhile are
// left to wait for others, unless they are due themselves: else a busy gateway
// would write line by line.
func (w *LogWriter) run() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.due {
		lines, before := w.lines, w.before
		w.lines, w.spare = w.spare, nil
		w.before, w.after = w.after, 0
		w.due = false
		w.mu.Unlock()
		lost, untold := w.emit(before, lines)
		w.mu.Lock()
		w.dropped += uint64(lost)
		w.before += untold
		if lost == 0 && untold == 0 && w.before > 0 {
			w.due = true // there is room again: tell what is missing
		}
		w.spare = lines[:0]
	}
	w.running = false
	for _, done := range w.flushed {
		close(done)
	}
	w.flushed = nil
}

// emit writes lines, and in front of them how many are missing there. It gives
// how many of the lines were lost to an error of the destination, and how many
// missing ones are still to be told of. What failed is not tried again before
// the next lines come.
func (w *LogWriter) emit(before int, lines []byte) (lost, untold int) {
	if before > 0 && len(w.put(w.gap(before))) > 0 {
		lost = bytes.Count(lines, []byte("\n"))
		return lost, before + lost
	}
	lost = bytes.Count(w.put(lines), []byte("\n"))
	return lost, lost
}

// put writes lines, and gives what could not be written of them.
func (w *LogWriter) put(lines []byte) (rest []byte) {
	for len(lines) > 0 {
		n, err := w.to.Write(lines)
		if n > 0 {
			w.torn = lines[n-1] != '\n'
			lines = lines[n:]
		}
		if n <= 0 || err != nil {
			break
		}
	}
	return lines
}

// gap is the line about dropped ones, whatever the level of the log.
func (w *LogWriter) gap(lines int) []byte {
	var line bytes.Buffer
	if w.torn { // only an error tears a line, and a gap is what follows
		line.WriteByte('\n')
	}
	record := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines were dropped", 0)
	record.AddAttrs(slog.Int("lines", lines))
	_ = w.format(&line).Handle(context.Background(), record)
	return line.Bytes()
}
