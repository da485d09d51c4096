package main

// This file lists the gateways, and what they need to start.

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
)

// The contenders against which the others are held. The second one is sent what those are that check tokens: to pass a
// token on has its price, too.
const (
	bareName      = "bare ReverseProxy"
	bareTokenName = "bare, token passed"
)

// contender is a gateway, in one way of using it.
type contender struct {
	name    string
	program string // looked for on this machine; "" is built or given
	version []string
	strict  bool // it is sent tokens; its paths are below /strict then, below /open otherwise
	one     bool // it has one server where others have several; it takes part only there
	launch  func(ctx context.Context, s *scene) (*process, error)
}

func contenders() []contender {
	return []contender{
		{name: bareName, launch: launchBare},
		{name: bareTokenName, strict: true, launch: launchBare},
		{name: "gatehouse none", launch: launchGatehouse},
		{name: "gatehouse URL", one: true, launch: launchGatehouse},
		{name: "gatehouse strict", strict: true, launch: launchGatehouse},
		{name: "haproxy", program: "haproxy", version: []string{"-v"}, launch: launchHAProxy},
		{name: "haproxy jwt", program: "haproxy", version: []string{"-v"}, strict: true, launch: launchHAProxy},
		{name: "nginx", program: "nginx", version: []string{"-v"}, launch: launchNginx},
		{name: "caddy", program: "caddy", version: []string{"version"}, launch: launchCaddy},
	}
}

// is tells whether the name is the contender's, or that of its program: its first word.
func (c contender) is(name string) bool {
	first, _, _ := strings.Cut(c.name, " ")
	return name == c.name || name == first
}

// ours reports whether it is Gatehouse.
func (c contender) ours() bool { return c.is("gatehouse") }

// isBare reports whether others are held against it.
func (c contender) isBare() bool { return c.name == bareName || c.name == bareTokenName }

// prefix is what the contender's paths begin with.
func (c contender) prefix() string {
	if c.strict {
		return "/strict"
	}
	return "/open"
}

// scene is all that a contender has to know to start, and what the configurations in configs/ are filled with.
type scene struct {
	Name    string
	Folder  string   // its own
	Address string   // to listen on
	Ops     string   // to listen on for operators; "" is anywhere
	Backend string   // host:port
	Servers []string // host:port, where the backend has several; none is the one of Backend
	Secret  string   // of HS256 tokens
	TLS     *certificate
	Routes  []int // below /open and /strict, one each; none is one for all
	Root    bool

	gatehouse, bare string   // programs
	settings        []string // of Gatehouse, besides those that it cannot do without
	users           []byte   // to import
}

// Port is that of the address.
func (s *scene) Port() string {
	_, port, _ := net.SplitHostPort(s.Address)
	return port
}

// Target is what a route of Gatehouse names as its backend.
func (s *scene) Target() string {
	if len(s.Servers) > 0 {
		return "several"
	}
	return "http://" + s.Backend
}

//go:embed configs
var configs embed.FS

// write fills in a configuration and writes it into the scene's folder.
func (s *scene) write(name string) (string, error) {
	filled, err := template.ParseFS(configs, "configs/"+name+".tmpl")
	if err != nil {
		return "", fmt.Errorf("read configuration: %w", err)
	}
	var text bytes.Buffer
	if err := filled.Execute(&text, s); err != nil {
		return "", fmt.Errorf("fill in configuration: %w", err)
	}
	if err := os.MkdirAll(s.Folder, 0o755); err != nil {
		return "", fmt.Errorf("make a folder: %w", err)
	}
	file := filepath.Join(s.Folder, name)
	// Renamed into place, so that who watches the file never reads half of it.
	if err := os.WriteFile(file+".new", text.Bytes(), 0o600); err != nil {
		return "", fmt.Errorf("write configuration: %w", err)
	}
	return file, os.Rename(file+".new", file)
}

// find looks for a program in the path, and where Debian puts those of root.
func find(program string) (string, error) {
	for _, name := range []string{program, "/usr/sbin/" + program, "/usr/local/sbin/" + program} {
		if path, err := exec.LookPath(name); err == nil {
			return filepath.Abs(path)
		}
	}
	return "", fmt.Errorf("%s: %w", program, errors.ErrUnsupported)
}

var versionNumber = regexp.MustCompile(`\d+(\.\d+)+`)

// versionOf asks a program which one it is.
func versionOf(ctx context.Context, path string, args ...string) string {
	said, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	number := versionNumber.Find(said)
	if err != nil || number == nil {
		return "(version unknown)"
	}
	return string(number)
}
