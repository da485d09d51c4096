package main

// This file takes the gateways in turn, round after round.

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
)

// measurement is one of one gateway.
type measurement struct {
	count  *count
	cost   float64 // CPU µs per request; KiB per connection where those are idle
	peak   int64   // bytes
	events int     // reloads
}

// entrant is a gateway that runs for one workload.
type entrant struct {
	contender
	scene        scene
	process      *process
	load         load
	measurements []measurement // one a round
	err          error         // why it does not take part any more
}

// result is what came of a workload.
type result struct {
	workload workload
	entrants []*entrant
}

func (r *runner) measureAll(ctx context.Context) ([]result, error) {
	var results []result
	for _, w := range r.workloads {
		fmt.Fprintf(r.progress, "\n%s\n", w.title)
		measured, err := r.measureWorkload(ctx, w)
		if err != nil {
			return nil, err
		}
		results = append(results, measured)
		fmt.Fprintln(r.progress)
		measured.grid().writeText(r.progress)
	}
	return results, nil
}

// measureWorkload starts every gateway, measures each in every round, and ends them. A gateway that fails is left out
// from there on; the error is the context's, or the bare proxy's.
func (r *runner) measureWorkload(ctx context.Context, w workload) (result, error) {
	all := result{workload: w}
	defer func() {
		for _, e := range all.entrants {
			e.stop()
		}
	}()
	for _, c := range r.contenders {
		if w.takesPart(c) && (w.servers > 0 || !c.one) {
			e := &entrant{contender: c}
			all.entrants = append(all.entrants, e)
			e.err = r.start(ctx, w, e)
		}
	}
	for round := range r.rounds {
		order := slices.Clone(all.entrants)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, e := range order {
			if e.err == nil {
				e.err = r.measureOnce(ctx, w, e, round)
			}
			switch {
			case ctx.Err() != nil:
				return all, fmt.Errorf("interrupted: %w", ctx.Err())
			case e.err != nil && e.name == bareName:
				return all, fmt.Errorf("%s: %s: %w", w.name, e.name, e.err)
			case e.err != nil && len(e.measurements) == round:
				fmt.Fprintf(r.progress, "  round %d  %-18s left out: %v\n", round+1, e.name, e.err)
			}
		}
	}
	return all, nil
}

func (r *runner) measureOnce(ctx context.Context, w workload, e *entrant, round int) error {
	measure := r.measureBusy
	if w.idle {
		measure = r.measureIdle
	}
	measured, err := measure(ctx, w, e)
	if err != nil {
		return err
	}
	e.measurements = append(e.measurements, measured)
	fmt.Fprintf(r.progress, "  round %d  %-18s %10.0f/s %10.1f %s\n", round+1, e.name, measured.perSecond(), measured.cost, w.unit())
	return nil
}

// start starts the gateway with a configuration for the workload, and waits until it answers.
func (r *runner) start(ctx context.Context, w workload, e *entrant) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	r.started++
	e.scene = scene{
		Name: "Bench", Folder: filepath.Join(r.folder, fmt.Sprint(r.started, "-", e.program)), Address: address,
		Backend: r.backend, Secret: r.secret, Root: os.Geteuid() == 0,
		gatehouse: r.gatehouse, bare: r.bare, settings: r.settings, users: r.users,
	}
	if w.needsOwnBackend() {
		e.scene.Backend = r.ownBackend
	}
	if w.servers > 0 && !e.one {
		e.scene.Servers = serversOf(e.scene.Backend, w.servers)
	}
	if r.profile != "" {
		if e.scene.Ops, err = freeAddress(); err != nil {
			return err
		}
	}
	for i := range w.routes / 2 * 2 {
		e.scene.Routes = append(e.scene.Routes, i)
	}
	scheme := "http"
	var client *tls.Config
	if w.tls {
		e.scene.TLS, client, scheme = r.tls, r.tls.client, "https"
	}
	if e.process, err = e.launch(ctx, &e.scene); err != nil {
		return err
	}
	e.load = load{
		address: address, tls: client, connections: w.connections, speech: w.speech(e.contender, address, r.tokens),
		buffer: 4 << 10,
	}
	if e.load.connections == 0 {
		e.load.connections = r.connections
	}
	if w.answer > int64(e.load.buffer) {
		e.load.buffer = 64 << 10
	}
	return r.awaitAnswer(ctx, w, e, scheme)
}

// awaitAnswer waits until the gateway answers a GET that it should.
func (r *runner) awaitAnswer(ctx context.Context, w workload, e *entrant, scheme string) error {
	path := e.prefix() + "/small"
	if w.routes > 0 {
		path = e.prefix() + "/0/small"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+e.scene.Address+path, http.NoBody)
	if err != nil {
		return err
	}
	if e.strict {
		request.Header.Set("Authorization", "Bearer "+r.tokens[0])
	}
	transport := &http.Transport{TLSClientConfig: r.tls.client.Clone(), DisableKeepAlives: true}
	return e.process.answers(ctx, &http.Client{Transport: transport}, request)
}

// stop ends the gateway and takes its folder away.
func (e *entrant) stop() {
	if e.process != nil {
		e.process.stop()
		e.process = nil
	}
	_ = os.RemoveAll(e.scene.Folder)
}
