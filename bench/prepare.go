package main

// This file makes ready what all measurements share: programs, tokens, a certificate, the backends.

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// runner measures.
type runner struct {
	options
	progress   io.Writer
	about      about
	folder     string
	contenders []contender
	gatehouse  string // the built programs
	bare       string
	secret     string
	users      []byte
	tokens     []string
	tls        *certificate
	backend    string // host:port, for GET
	ownBackend string // host:port, for everything
	closers    []func()
	started    int // how many gateways were, to give each a folder
}

// prepare makes a runner. Whatever it started ends with close, or with the context.
func prepare(ctx context.Context, o options, folder string, progress io.Writer) (_ *runner, err error) {
	r := &runner{options: o, progress: progress, folder: folder, secret: rand.Text() + rand.Text()}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	if r.users, err = usersToImport(); err != nil {
		return nil, err
	}
	if r.tokens, err = signAll(r.secret, time.Now()); err != nil {
		return nil, err
	}
	if r.tls, err = makeCertificate(folder, time.Now()); err != nil {
		return nil, err
	}
	if err := r.findPrograms(ctx); err != nil {
		return nil, err
	}
	if err := r.startBackends(ctx); err != nil {
		return nil, fmt.Errorf("start the backend: %w", err)
	}
	fmt.Fprintln(progress, r.about)
	return r, nil
}

func (r *runner) close() {
	for _, c := range r.closers {
		c()
	}
}

// findPrograms builds those of this folder and looks which others the machine has.
func (r *runner) findPrograms(ctx context.Context) error {
	var err error
	if r.gatehouse, err = filepath.Abs(r.options.gatehouse); err != nil {
		return err
	}
	if _, err := os.Stat(r.gatehouse); err != nil {
		return fmt.Errorf("find the gateway: %w (`make build` makes it)", err)
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", r.folder+string(filepath.Separator), "gatehouse/bench/bare", "gatehouse/bench/backend")
	build.Env = os.Environ()
	if os.Getenv("CGO_ENABLED") == "" {
		build.Env = append(build.Env, "CGO_ENABLED=0") // as `make build` builds the gateway
	}
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the bare proxy and the backend: %w: %s", err, lastLines(said))
	}
	r.bare = filepath.Join(r.folder, "bare")
	r.about = about{machine: machine(), settings: r.settings}
	seen := map[string]string{"": "built"}
	for _, c := range contenders() {
		if _, known := seen[c.program]; !known {
			if path, err := find(c.program); err == nil {
				seen[c.program] = versionOf(ctx, path, c.version...)
				r.about.gateways = append(r.about.gateways, c.program+" "+seen[c.program])
			} else {
				seen[c.program] = ""
				r.about.missing = append(r.about.missing, c.program)
			}
		}
		if seen[c.program] != "" && r.wants(c) {
			r.contenders = append(r.contenders, c)
		}
	}
	return nil
}

// startBackends starts nginx, where there is one, and the backend of this folder.
func (r *runner) startBackends(ctx context.Context) error {
	own := func(ctx context.Context, s *scene) (*process, error) {
		all := strings.Join(append(s.Servers, s.Address), ",")
		return command{folder: s.Folder, path: filepath.Join(r.folder, "backend"), args: []string{"-listen", all}}.start(ctx)
	}
	var err error
	if r.ownBackend, err = r.startBackend(ctx, "own", own); err != nil {
		return err
	}
	r.backend, r.about.backend = r.ownBackend, "Go (net/http)"
	if _, err := find("nginx"); err != nil {
		return nil
	}
	r.about.backend = "nginx; Go (net/http) for uploads and WebSockets"
	r.backend, err = r.startBackend(ctx, "nginx", launchFastBackend)
	return err
}

func (r *runner) startBackend(ctx context.Context, name string, launch func(context.Context, *scene) (*process, error)) (string, error) {
	address, err := freeAddress()
	if err != nil {
		return "", err
	}
	started, err := launch(ctx, &scene{
		Folder: filepath.Join(r.folder, "backend-"+name), Address: address, Servers: serversOf(address, manyServers), Root: os.Geteuid() == 0,
	})
	if err != nil {
		return "", err
	}
	r.closers = append(r.closers, started.stop)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/small", http.NoBody)
	if err != nil {
		return "", err
	}
	return address, started.answers(ctx, http.DefaultClient, request)
}

// serversOf returns the addresses by which the backend at an address is several servers: the same port of other
// addresses of loopback.
func serversOf(address string, count int) []string {
	_, port, _ := net.SplitHostPort(address)
	var servers []string
	for i := range count {
		servers = append(servers, fmt.Sprintf("127.0.%d.%d:%s", 1+i/100, 1+i%100, port))
	}
	return servers
}

// about says where and with what was measured.
type about struct {
	machine  string
	backend  string
	gateways []string // and their versions
	missing  []string
	settings []string // of Gatehouse, other than the defaults
}

// String is what is printed and written above the results.
func (a about) String() string {
	text := "Machine: " + a.machine + ".\nBackend: " + a.backend + ". Load: the program's own, on the same machine, by loopback."
	if len(a.gateways) > 0 {
		text += "\nOther gateways: " + strings.Join(a.gateways, ", ") + "."
	}
	if len(a.settings) > 0 {
		text += "\nGatehouse with " + strings.Join(a.settings, " ") + "."
	}
	if len(a.missing) > 0 {
		text += "\nNot on this machine, and so not compared: " + strings.Join(a.missing, ", ") +
			" (on Debian: apt-get install haproxy nginx-light caddy)."
	}
	return text
}
