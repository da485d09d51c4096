package main

// This file measures one gateway once.

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// warmUp is the part of a measurement's length that is spent before it.
const warmUp = 4

// measureBusy keeps the connections busy and reads the accounts before and after.
func (r *runner) measureBusy(ctx context.Context, w workload, e *entrant) (measurement, error) {
	opened, err := e.load.open(ctx)
	if err != nil {
		return measurement{}, err
	}
	defer opened.close()
	if _, err := opened.keepBusy(ctx, r.length/warmUp, r.requests); err != nil {
		return measurement{}, err
	}
	defer e.process.dropLogs()
	forgetPeak(e.process.pid)
	before, err := usageOf(e.process.pid)
	if err != nil {
		return measurement{}, err
	}
	endReloads := func() int { return 0 }
	if w.reload && e.ours() {
		endReloads = e.changeTable(ctx)
	}
	counted, err := opened.keepBusy(ctx, r.length, r.requests)
	events := endReloads()
	if err != nil {
		return measurement{}, err
	}
	after, err := usageOf(e.process.pid)
	if err != nil {
		return measurement{}, err
	}
	if counted.requests == 0 {
		return measurement{}, fmt.Errorf("no request was answered: %w", counted.failure)
	}
	return measurement{
		count: counted, peak: after.peak, events: events,
		cost: float64((after.cpu - before.cpu).Nanoseconds()) / 1e3 / float64(counted.requests),
	}, nil
}

// measureIdle starts the gateway anew, opens connections, has one request answered on each, and sees how much more
// memory it holds than after a little work.
func (r *runner) measureIdle(ctx context.Context, w workload, e *entrant) (measurement, error) {
	e.stop()
	if err := r.start(ctx, w, e); err != nil {
		return measurement{}, err
	}
	few, err := e.load.open(ctx)
	if err != nil {
		return measurement{}, err
	}
	_, err = few.keepBusy(ctx, r.length/warmUp, r.requests)
	few.close()
	if err != nil {
		return measurement{}, err
	}
	before, err := usageOf(e.process.pid)
	if err != nil {
		return measurement{}, err
	}
	many := e.load
	many.connections, many.buffer = r.idle, 512
	begin := time.Now()
	opened, err := many.open(ctx)
	if err != nil {
		return measurement{}, err
	}
	defer opened.close()
	counted := &count{requests: int64(r.idle), took: time.Since(begin)}
	after, err := usageOf(e.process.pid)
	if err != nil {
		return measurement{}, err
	}
	return measurement{
		count: counted, peak: after.peak,
		cost: float64(after.resident-before.resident) / (1 << 10) / float64(r.idle),
	}, nil
}

// changeTable writes another route table each second, which the gateway notices by itself, until what it returns is
// called; that tells how often it did.
func (e *entrant) changeTable(ctx context.Context) (end func() int) {
	ctx, cancel := context.WithCancel(ctx)
	changes := 0
	var writing sync.WaitGroup
	writing.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			changed := e.scene
			changed.Name = fmt.Sprintf("Bench %s", time.Now().Format(time.TimeOnly))
			if _, err := changed.write("routes.yaml"); err == nil {
				changes++
			}
		}
	})
	return func() int {
		cancel()
		writing.Wait()
		return changes
	}
}
