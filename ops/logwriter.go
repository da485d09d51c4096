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
	flushDelay = 100 * time.Millisecond // the longest that a line waits for others
	flushSize  = 64 << 10               // bytes that are written without waiting for more
	bufferSize = 1 << 20                // bytes that may wait while the destination takes none
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
	to          io.Writer
	format      func(io.Writer) slog.Handler // for its own line
	timer       *time.Timer                  // runs from the first line that waits
	partialLine bool                         // the last line is written in part; only for run

	mu            sync.Mutex
	lines         []byte // that wait
	spare         []byte // the other buffer, nil while it is being written
	droppedBefore int    // lines dropped in front of those that wait
	droppedAfter  int    // lines dropped behind them, since the buffer is full
	dropped       uint64
	flushDue      bool            // what waits is to be written now
	running       bool            // run is
	flushed       []chan struct{} // closed when run ends
}

// NewLogWriter makes a writer in front of another one, to which nothing else
// needs to be synchronised. The format is the log's, for the line about dropped
// ones.
func NewLogWriter(to io.Writer, format func(io.Writer) slog.Handler) *LogWriter {
	w := &LogWriter{to: to, format: format, lines: make([]byte, 0, bufferSize), spare: make([]byte, 0, bufferSize)}
	w.timer = time.AfterFunc(flushDelay, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.scheduleFlush()
	})
	w.timer.Stop()
	return w
}

// Write takes one line, with its line end. It never fails.
func (w *LogWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.add(line)
	if len(w.lines) >= flushSize {
		w.scheduleFlush()
	}
	return len(line), nil
}

// Unbuffered is for lines that somebody may be waiting for, such as the reason why
// the process is about to end: they are written without delay, and all that
// wait with them. Write of it does not wait for the destination either.
func (w *LogWriter) Unbuffered() io.Writer { return unbuffered{w} }

type unbuffered struct{ *LogWriter }

func (w unbuffered) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.add(line)
	w.scheduleFlush()
	return len(line), nil
}

// Flush has all that was logged so far written, and waits until it is, but no
// longer than timeout: a pipe that nobody reads must not keep a process alive.
func (w *LogWriter) Flush(timeout time.Duration) {
	w.mu.Lock()
	w.scheduleFlush()
	if !w.running {
		w.mu.Unlock()
		return
	}
	done := make(chan struct{})
	w.flushed = append(w.flushed, done)
	w.mu.Unlock()
	select {
	case <-done:
	case <-time.After(timeout):
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
	if len(w.lines) == 0 && w.droppedAfter == 0 {
		w.timer.Reset(flushDelay)
	}
	if w.droppedAfter > 0 || len(w.lines)+len(line) > cap(w.lines) {
		w.droppedAfter++
		w.dropped++
		return
	}
	w.lines = append(w.lines, line...)
}

// scheduleFlush has what waits written. While a write is under way, it is next.
func (w *LogWriter) scheduleFlush() {
	switch {
	case w.running:
		w.flushDue = true
	case len(w.lines) > 0 || w.droppedBefore > 0 || w.droppedAfter > 0:
		w.flushDue, w.running = true, true
		go w.run()
	}
}

// run writes what is due; there is one at a time. Lines that came meanwhile are
// left to wait for others, unless they are due themselves: else a busy gateway
// would write line by line.
func (w *LogWriter) run() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.flushDue {
		lines, before := w.lines, w.droppedBefore
		w.lines, w.spare = w.spare, nil
		w.droppedBefore, w.droppedAfter = w.droppedAfter, 0
		w.flushDue = false
		w.mu.Unlock()
		lost, unreported := w.writeBatch(before, lines)
		w.mu.Lock()
		w.dropped += uint64(lost)
		w.droppedBefore += unreported
		if lost == 0 && unreported == 0 && w.droppedBefore > 0 {
			w.flushDue = true // there is room again: tell what is missing
		}
		w.spare = lines[:0]
	}
	w.running = false
	for _, done := range w.flushed {
		close(done)
	}
	w.flushed = nil
}

// writeBatch writes lines, and in front of them how many are missing there. It gives
// how many of the lines were lost to an error of the destination, and how many
// missing ones are still to be told of. What failed is not tried again before
// the next lines come.
func (w *LogWriter) writeBatch(before int, lines []byte) (lost, unreported int) {
	if before > 0 && len(w.writeLines(w.droppedLine(before))) > 0 {
		lost = bytes.Count(lines, []byte("\n"))
		return lost, before + lost
	}
	lost = bytes.Count(w.writeLines(lines), []byte("\n"))
	return lost, lost
}

// writeLines writes lines, and gives what could not be written of them.
func (w *LogWriter) writeLines(lines []byte) (rest []byte) {
	for len(lines) > 0 {
		n, err := w.to.Write(lines)
		if n > 0 {
			w.partialLine = lines[n-1] != '\n'
			lines = lines[n:]
		}
		if n <= 0 || err != nil {
			break
		}
	}
	return lines
}

// droppedLine is the line about dropped ones, whatever the level of the log.
func (w *LogWriter) droppedLine(lines int) []byte {
	var line bytes.Buffer
	if w.partialLine { // only an error leaves one, and the next line is about what was dropped
		line.WriteByte('\n')
	}
	record := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines were dropped", 0)
	record.AddAttrs(slog.Int("lines", lines))
	_ = w.format(&line).Handle(context.Background(), record)
	return line.Bytes()
}
