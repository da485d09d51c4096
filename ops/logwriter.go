package ops

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// The bounds of a LogWriter's buffers.
const (
	flushDelay = 100 * time.Millisecond // how long a line waits for others at most
	flushSize  = 64 << 10               // the number of waiting bytes that starts a write
	bufferSize = 1 << 20                // the number of bytes that may wait while the destination accepts none
)

// LogWriter collects whole log lines, one per Write, and writes many of them to
// its destination at once: at most 100 milliseconds after the first, and sooner
// when there are many. Write never waits for the destination. When the
// destination accepts nothing until the buffer is full, lines are dropped.
// Dropped counts them, and a line in their place reports them. While nothing is
// logged, no goroutine and no timer runs.
//
// There are two buffers: one for waiting lines, and one for lines being
// written. They never grow, and each of their pages uses memory only after it
// was first written to.
type LogWriter struct {
	to          io.Writer
	format      func(io.Writer) slog.Handler // for the line about dropped lines
	timer       *time.Timer                  // runs while lines wait
	partialLine bool                         // the last line was written incompletely; used by run only

	mu            sync.Mutex
	lines         []byte // waiting lines
	spare         []byte // the other buffer, nil while it is being written
	droppedBefore int    // lines dropped before the waiting ones
	droppedAfter  int    // lines dropped after them, because the buffer is full
	dropped       uint64
	flushDue      bool            // the waiting lines must be written now
	running       bool            // run is running
	flushed       []chan struct{} // closed when run ends
}

// NewLogWriter returns a writer that writes to to, with no need for other
// synchronization. format makes the log's handler, for the line about dropped
// lines.
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

// Write accepts one line, with its line break. It never fails.
func (w *LogWriter) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.add(line)
	if len(w.lines) >= flushSize {
		w.scheduleFlush()
	}
	return len(line), nil
}

// Unbuffered returns a writer for lines that somebody may be waiting for, such
// as the reason why the process is about to end. Its Write causes an immediate
// write of the line and of all waiting lines. It does not wait for the
// destination either.
func (w *LogWriter) Unbuffered() io.Writer { return unbuffered{w} }

type unbuffered struct{ *LogWriter }

func (w unbuffered) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.add(line)
	w.scheduleFlush()
	return len(line), nil
}

// Flush writes everything that was logged so far, and waits for at most
// timeout: a pipe that nobody reads must not keep the process alive.
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

// Dropped returns the number of lines that were lost so far.
func (w *LogWriter) Dropped() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dropped
}

// add stores a line or drops it. After one line was dropped, all later lines
// are dropped until there is room again. So the gap in the log is in one place.
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

// scheduleFlush causes a write of the waiting lines, after a running one.
func (w *LogWriter) scheduleFlush() {
	switch {
	case w.running:
		w.flushDue = true
	case len(w.lines) > 0 || w.droppedBefore > 0 || w.droppedAfter > 0:
		w.flushDue, w.running = true, true
		go w.run()
	}
}

// run writes waiting lines until none is due; it runs once at a time. Lines
// that arrive meanwhile wait for others again, unless they are due. Otherwise a
// busy gateway would write each line alone.
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
			w.flushDue = true // there is room again: report the missing lines
		}
		w.spare = lines[:0]
	}
	w.running = false
	for _, done := range w.flushed {
		close(done)
	}
	w.flushed = nil
}

// writeBatch writes lines, after a line about the lines missing before them. It
// returns how many of the lines were lost to an error of the destination, and
// how many missing lines are not reported yet. After a failure it does not try
// again before the next lines.
func (w *LogWriter) writeBatch(before int, lines []byte) (lost, unreported int) {
	if before > 0 && len(w.writeLines(w.droppedLine(before))) > 0 {
		lost = bytes.Count(lines, []byte("\n"))
		return lost, before + lost
	}
	lost = bytes.Count(w.writeLines(lines), []byte("\n"))
	return lost, lost
}

// writeLines writes lines, and returns those that could not be written.
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

// droppedLine returns the line about dropped lines, whatever the level of the
// log.
func (w *LogWriter) droppedLine(lines int) []byte {
	var line bytes.Buffer
	if w.partialLine { // only an error causes this, and the next line is about dropped lines
		line.WriteByte('\n')
	}
	record := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines were dropped", 0)
	record.AddAttrs(slog.Int("lines", lines))
	_ = w.format(&line).Handle(context.Background(), record)
	return line.Bytes()
}
