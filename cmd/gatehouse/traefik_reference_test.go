//go:build traefik

package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// TestTraefikReference sends the requests of TestNginxReference to a real Traefik. It needs
// the program `traefik`, which Debian does not have, so it has a tag of its own. Run it when
// the cases change:
//
//	go test -tags traefik -run TestTraefikReference ./cmd/gatehouse
func TestTraefikReference(t *testing.T) {
	backend := referenceBackend(t)
	routers, middlewares := "", "    all: {headers: {customResponseHeaders: {X-All: all}}}\n"
	number := 0
	all := references()
	for _, cases := range all {
		for i := range cases {
			c := &cases[i]
			number++
			prefix := fmt.Sprintf("/case%d", number)
			c.fill(prefix, backend)
			var names []string
			for middleware := range strings.SplitSeq(c.middlewares, " | ") {
				if middleware == "" {
					continue
				}
				names = append(names, fmt.Sprintf("m%d-%d", number, len(names)))
				middlewares += "    " + names[len(names)-1] + ": {" + middleware + "}\n"
			}
			routers += fmt.Sprintf("    r%d: {rule: 'Path(`%s`) || PathPrefix(`%s/`)', service: backend, middlewares: [%s]}\n", number, prefix, prefix, strings.Join(names, ", "))
		}
	}
	routes := testkit.TempFile(t, "dynamic.yaml", "http:\n  routers:\n"+routers+"  middlewares:\n"+middlewares+"  services:\n    backend: {loadBalancer: {servers: [{url: '"+backend+"'}]}}\n")
	url := startTraefik(t, routes)
	for subject, cases := range all {
		for _, c := range cases {
			t.Run(subject+"/"+c.name, func(t *testing.T) {
				want := c.want
				if c.traefikWhy != "" {
					want = c.traefik
				}
				if got := c.ask(t, url); got != want {
					t.Errorf("Traefik: %s: got %q, want %q", c.show, got, want)
				}
			})
		}
	}
}

// startTraefik runs Traefik with its routes, and returns its URL.
func startTraefik(t *testing.T, routes string) string {
	t.Helper()
	address := testkit.FreeAddress(t)
	var said bytes.Buffer
	command := exec.Command("traefik", "--providers.file.filename="+filepath.Clean(routes), "--entrypoints.web.address="+address, "--entrypoints.web.http.middlewares=all@file")
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			t.Logf("Traefik said: %s", &said)
		}
	})
	testkit.Eventually(t, "Traefik has its routes", func() bool {
		res, err := http.Get("http://" + address + "/case1")
		if err == nil {
			_ = res.Body.Close()
		}
		return err == nil && res.StatusCode != http.StatusNotFound
	})
	return "http://" + address
}
