package ops_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/ops"
)

// destination keeps what is written to it, write by write.
type destination struct {
	gate chan struct{} // if set, every write waits for a value, or for its end
	take func(p []byte) (int, error)

	mu     sync.Mutex
	writes []string
	times  []time.Time
}

func (d *destination) Write(p []byte) (int, error) {
	if d.gate != nil {
		<-d.gate
	}
	n, err := len(p), error(nil)
	if d.take != nil {
		n, err = d.take(p)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writes, d.times = append(d.writes, string(p[:n])), append(d.times, time.Now())
	return n, err
}

// written returns the writes so far, with their times.
func (d *destination) written() ([]string, []time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.writes), slices.Clone(d.times)
}

func (d *destination) all() string {
	writes, _ := d.written()
	return strings.Join(writes, "")
}

func jsonFormat(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) }

func textFormat(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) }

// logLines writes lines to a log. Each must be accepted completely.
func logLines(t testing.TB, w io.Writer, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if n, err := io.WriteString(w, line+"\n"); n != len(line)+1 || err != nil {
			t.Fatalf("write: %d, %v", n, err)
		}
	}
}

// droppedIn returns the numbers in the lines about dropped lines.
func droppedIn(log string) (lines []int) {
	for _, match := range regexp.MustCompile(`log lines were dropped"[ ,]"?lines"?[:=](\d+)`).FindAllStringSubmatch(log, -1) {
		n, _ := strconv.Atoi(match[1])
		lines = append(lines, n)
	}
	return lines
}

// TestLogWaitsForOthers requires that lines are written together, 100
// milliseconds after the first, and that nothing runs while nothing is logged.
func TestLogWaitsForOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := new(destination)
		w := ops.NewLogWriter(to, jsonFormat)
		time.Sleep(time.Hour)
		begin := time.Now()
		logLines(t, w, "one")
		time.Sleep(60 * time.Millisecond)
		logLines(t, w, "two")
		time.Sleep(39 * time.Millisecond)
		logLines(t, w, "three")
		if log := to.all(); log != "" {
			t.Errorf("written before its time: %q", log)
		}
		time.Sleep(time.Hour)
		logLines(t, w, "four")
		time.Sleep(time.Hour)
		writes, times := to.written()
		if want := []string{"one\ntwo\nthree\n", "four\n"}; !slices.Equal(writes, want) {
			t.Fatalf("wrote %q, want %q", writes, want)
		}
		for i, wait := range []time.Duration{0, 99*time.Millisecond + time.Hour} {
			if got := times[i].Sub(begin); got != wait+100*time.Millisecond {
				t.Errorf("write %d after %v", i, got)
			}
		}
	})
}

// TestLogFlushedEarly requires that many lines, an unbuffered line, and the end
// cause an early write.
func TestLogFlushedEarly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := new(destination)
		w := ops.NewLogWriter(to, jsonFormat)
		begin := time.Now()
		line := strings.Repeat("x", 1023)
		for range 64 {
			logLines(t, w, line)
		}
		synctest.Wait()
		logLines(t, w, "next")
		logLines(t, w.Unbuffered(), "urgent")
		synctest.Wait()
		logLines(t, w, "last")
		w.Flush(time.Second)
		w.Flush(time.Second) // of nothing
		writes, _ := to.written()
		if want := []string{strings.Repeat(line+"\n", 64), "next\nurgent\n", "last\n"}; !slices.Equal(writes, want) {
			t.Errorf("wrote %.200q", writes)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}

// TestLogGathersDuringAWrite requires that lines that arrive during a write are
// also written together, and not at the moment when the destination is free.
func TestLogGathersDuringAWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &destination{gate: make(chan struct{})}
		w := ops.NewLogWriter(to, jsonFormat)
		logLines(t, w.Unbuffered(), "one")
		synctest.Wait()
		logLines(t, w, "two")
		time.Sleep(50 * time.Millisecond)
		to.gate <- struct{}{}
		synctest.Wait()
		logLines(t, w, "three")
		close(to.gate)
		time.Sleep(time.Second)
		writes, times := to.written()
		if want := []string{"one\n", "two\nthree\n"}; !slices.Equal(writes, want) {
			t.Fatalf("wrote %q, want %q", writes, want)
		}
		if took := times[1].Sub(times[0]); took != 50*time.Millisecond {
			t.Errorf("the second line came %v after the first", took)
		}
	})
}

// TestLogIsDroppedWhenNobodyReads fills a log whose destination is blocked. The
// log must stay within its bound, and report in the right place how many lines
// are missing.
func TestLogIsDroppedWhenNobodyReads(t *testing.T) {
	t.Parallel()
	for name, format := range map[string]func(io.Writer) slog.Handler{"json": jsonFormat, "text": textFormat} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				to := &destination{gate: make(chan struct{})}
				w := ops.NewLogWriter(to, format)
				o := newOperators(t, nil)
				o.metrics.WatchLog(w)
				logLines(t, w.Unbuffered(), "first")
				synctest.Wait() // the destination holds it
				const lines = 5000
				for i := range lines {
					logLines(t, w, fmt.Sprintf("%d %0900d", i, 0))
				}
				logLines(t, w, "short, but behind a gap")
				dropped := int(w.Dropped())
				if kept := (lines + 1 - dropped) * 900; kept < 1<<19 || kept > 1<<20 {
					t.Errorf("%d bytes are kept", kept)
				}
				close(to.gate)
				time.Sleep(time.Second)
				logLines(t, w, "last")
				w.Flush(time.Second)

				log := to.all()
				if got := droppedIn(log); !slices.Equal(got, []int{dropped}) {
					t.Errorf("told %d dropped lines, want %d", got, dropped)
				}
				numbers := regexp.MustCompile(`(?m)^(\d+) 0+$`).FindAllStringSubmatch(log, -1)
				for i, match := range numbers {
					if match[1] != strconv.Itoa(i) {
						t.Fatalf("line %d is %s", i, match[1])
					}
				}
				if got := strings.Count(log, "\n"); len(numbers)+dropped != lines+1 || got != len(numbers)+3 {
					t.Errorf("%d lines, %d of them numbered, %d dropped", got, len(numbers), dropped)
				}
				if tail := log[strings.LastIndex(log, "000\n")+4:]; len(droppedIn(tail)) != 1 || !strings.HasSuffix(tail, "\nlast\n") {
					t.Errorf("at the end: %q", tail)
				}
				want := fmt.Sprintf("gatehouse_log_lines_dropped_total %d\n", dropped)
				if body := o.ask("GET", "/metrics").Body.String(); !strings.Contains(body, want) {
					t.Errorf("no %s in the metrics", want)
				}
			})
		})
	}
}

// TestLogLineTooLong writes a line that is larger than the buffer.
func TestLogLineTooLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := new(destination)
		w := ops.NewLogWriter(to, jsonFormat)
		logLines(t, w, strings.Repeat("x", 1<<20))
		time.Sleep(time.Second)
		logLines(t, w, "next")
		time.Sleep(time.Second)
		if log := to.all(); !slices.Equal(droppedIn(log), []int{1}) || !strings.HasSuffix(log, "}\nnext\n") {
			t.Errorf("wrote %q", log)
		}
	})
}

// TestLogDestinationFails requires that lines that cannot be written are
// counted and reported once, before the next lines, and that an incomplete line
// gets a line break.
func TestLogDestinationFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		room := 7
		to := &destination{take: func(p []byte) (int, error) {
			if room < len(p) {
				n := room
				room = 0
				return n, errors.New("no space left on device")
			}
			room -= len(p)
			return len(p), nil
		}}
		w := ops.NewLogWriter(to, jsonFormat)
		logLines(t, w, "one", "two", "three")
		time.Sleep(time.Hour)
		if writes, _ := to.written(); len(writes) != 1 || writes[0] != "one\ntwo" || w.Dropped() != 2 {
			t.Errorf("wrote %q, dropped %d", writes, w.Dropped())
		}
		logLines(t, w, "four", "five")
		time.Sleep(time.Hour)
		if writes, _ := to.written(); len(writes) != 2 || writes[1] != "" || w.Dropped() != 4 {
			t.Errorf("wrote %q, dropped %d", writes, w.Dropped())
		}
		synctest.Wait()
		room = 1 << 10
		logLines(t, w, "six")
		time.Sleep(time.Hour)
		logLines(t, w, "seven")
		w.Flush(time.Second)
		head, tail, _ := strings.Cut(to.all(), "\n{")
		if head != "one\ntwo" || !slices.Equal(droppedIn(tail), []int{4}) || !strings.HasSuffix(tail, "}\nsix\nseven\n") || w.Dropped() != 4 {
			t.Errorf("wrote %q, dropped %d", to.all(), w.Dropped())
		}
	})
}

// TestLogDestinationTakesLittle requires that a short write is continued, but
// not to a writer that accepts nothing.
func TestLogDestinationTakesLittle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		most := 3
		to := &destination{take: func(p []byte) (int, error) { return min(most, len(p)), nil }}
		w := ops.NewLogWriter(to, jsonFormat)
		logLines(t, w, "one", "two", "three")
		w.Flush(time.Second)
		if to.all() != "one\ntwo\nthree\n" {
			t.Errorf("wrote %q", to.all())
		}
		synctest.Wait()
		most = 0
		logLines(t, w, "four")
		time.Sleep(time.Hour)
		if w.Dropped() != 1 {
			t.Errorf("dropped %d", w.Dropped())
		}
	})
}

// TestLogFlushIsBounded requires that the process can end although nobody reads
// the log.
func TestLogFlushIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &destination{gate: make(chan struct{})}
		w := ops.NewLogWriter(to, jsonFormat)
		logLines(t, w, "one")
		begin := time.Now()
		w.Flush(time.Second)
		if took := time.Since(begin); took != time.Second {
			t.Errorf("it took %v", took)
		}
		time.AfterFunc(time.Millisecond, func() { close(to.gate) })
		logLines(t, w, "two")
		w.Flush(time.Second)
		if took := time.Since(begin); took != time.Second+time.Millisecond || to.all() != "one\ntwo\n" {
			t.Errorf("it took %v and wrote %q", took, to.all())
		}
	})
}

// TestLogOfMany writes from many goroutines: every line is complete, and the
// lines of each are in order.
func TestLogOfMany(t *testing.T) {
	t.Parallel()
	to := new(destination)
	w := ops.NewLogWriter(to, jsonFormat)
	const writers, lines = 8, 500
	var all sync.WaitGroup
	for writer := range writers {
		all.Go(func() {
			into := []io.Writer{w, w.Unbuffered()}
			for i := range lines {
				logLines(t, into[min(i%100, 1)], fmt.Sprintf("%d %d %s", writer, i, strings.Repeat("x", i%300)))
			}
		})
	}
	all.Wait()
	w.Flush(time.Minute)
	next := make([]int, writers)
	for line := range strings.Lines(to.all()) {
		var writer, i int
		if _, err := fmt.Sscan(line, &writer, &i); err != nil || i != next[writer] ||
			line != fmt.Sprintf("%d %d %s\n", writer, i, strings.Repeat("x", i%300)) {
			t.Fatalf("line %q: want %d of writer %d (%v)", line, next[writer], writer, err)
		}
		next[writer]++
	}
	for writer, n := range next {
		if n != lines {
			t.Errorf("%d lines of writer %d", n, writer)
		}
	}
	if w.Dropped() > 0 {
		t.Errorf("%d lines were dropped", w.Dropped())
	}
}
