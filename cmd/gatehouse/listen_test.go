package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// unixClient returns a client of a unix socket. It opens a connection for each
// request if fresh is set.
func unixClient(t *testing.T, path string, fresh bool) *http.Client {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: fresh, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 2 * testkit.Timeout}
}

// socketPath returns a path that is short enough for a unix socket.
func socketPath(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "gh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return filepath.Join(folder, "s")
}

// forwardedBackend answers with the addresses that the gateway has sent.
func forwardedBackend(t *testing.T) string {
	t.Helper()
	return testkit.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprintf(w, "for %q", r.Header["X-Forwarded-For"])
	})
}

// TestListenOnSeveral serves two ports, a unix socket and an abstract one.
func TestListenOnSeveral(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"lean", "standard"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			first, second, path, abstract := testkit.FreeAddress(t), testkit.FreeAddress(t), socketPath(t), "@"+filepath.Base(filepath.Dir(socketPath(t)))
			table := testkit.TempFile(t, "routes.yaml", `
users: off
trusted_proxies: [unix]
routes:
  - {name: open, prefix: /, backend: "`+forwardedBackend(t)+`", auth: none}
`)
			p := startProcess(t, table, map[string]string{
				"GATEWAY_LISTEN": first + ", " + second + " unix:" + path + "|0660,unix:" + abstract, "GATEWAY_TRANSPORT": transport,
			})
			get := func(client *http.Client, url string) string {
				t.Helper()
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("body"))
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("X-Forwarded-For", "192.0.2.7")
				res, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				body, _ := io.ReadAll(res.Body)
				return string(body)
			}
			for _, address := range []string{first, second} {
				if got := get(http.DefaultClient, "http://"+address+"/"); got != `for ["127.0.0.1"]` {
					t.Errorf("%s answers %s", address, got)
				}
			}
			for _, name := range []string{path, abstract} {
				if got := get(unixClient(t, name, false), "http://x/"); got != `for ["192.0.2.7"]` {
					t.Errorf("unix:%s answers %s", name, got)
				}
			}
			p.log.Await(t, `"client_ip":"192.0.2.7"`)
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != 0o660 {
				t.Errorf("the socket's mode: %v, %v", info.Mode(), err)
			}
			if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := p.cmd.Wait(); err != nil {
				t.Errorf("exit: %v\n%s", err, p.log)
			}
			if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the socket is still there: %v", err)
			}
		})
	}
}

// TestUnixSocketIsNotTrusted sends the headers of a proxy through a unix socket that no
// table trusts.
func TestUnixSocketIsNotTrusted(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	p := startProcess(t, openTable(t, forwardedBackend(t)), map[string]string{"GATEWAY_LISTEN": "unix:" + path})
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/open", nil)
	req.Header.Set("X-Forwarded-For", "192.0.2.7")
	res, err := unixClient(t, path, true).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); strings.Contains(string(body), "192.0.2.7") {
		t.Errorf("the backend saw %s", body)
	}
	p.log.Await(t, `"client_ip":""`)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket's mode: %v, %v", info.Mode(), err)
	}
}

// TestNameOfUnixClient connects with names that look like addresses: one that a route
// allows, and one of a trusted proxy. It is not parallel, because such a name is relative
// to the current folder.
func TestNameOfUnixClient(t *testing.T) {
	table := testkit.TempFile(t, "routes.yaml", `
users: off
trusted_proxies: [203.0.113.0/24]
routes:
  - {name: open, prefix: /, backend: "`+forwardedBackend(t)+`", auth: none}
  - {name: office, prefix: /office, respond: {body: office}, auth: none, allow_from: [192.0.2.0/24]}
`)
	certificate, key, _ := selfSigned(t)
	for name, settings := range map[string]map[string]string{
		"lean": {"GATEWAY_TRANSPORT": "lean"}, "standard": {"GATEWAY_TRANSPORT": "standard"},
		"TLS": {"GATEWAY_TLS_CERT_FILE": certificate, "GATEWAY_TLS_KEY_FILE": key},
	} {
		t.Run(name, func(t *testing.T) {
			path := socketPath(t)
			settings["GATEWAY_LISTEN"] = "unix:" + path + "|0666"
			startProcess(t, table, settings)
			t.Chdir(filepath.Dir(path))
			for _, client := range []string{"192.0.2.1:80", "203.0.113.1:80"} {
				request := "GET /office HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.9\r\n\r\nGET /open HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n"
				var conn net.Conn
				conn, err := net.DialUnix("unix", &net.UnixAddr{Name: client, Net: "unix"}, &net.UnixAddr{Name: path, Net: "unix"})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { conn.Close() })
				_ = conn.SetDeadline(time.Now().Add(2 * testkit.Timeout))
				if name == "TLS" {
					conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the certificate is not what this tests
				}
				c := testkit.NewClient(t, conn)
				c.Send(request)
				if res, _ := c.Receive(); res.StatusCode != http.StatusForbidden {
					t.Errorf("%s gets %d", client, res.StatusCode)
				}
				if _, body := c.Receive(); body != "for []" {
					t.Errorf("the backend of %s saw %s", client, body)
				}
			}
		})
	}
}

// serveFails runs `serve`, which must fail, and returns what it has said.
func serveFails(t *testing.T, settings ...string) string {
	t.Helper()
	return fails(t, exec.Command(buildGateway(t), "serve", "-c", openTable(t, "http://127.0.0.1:9")), settings...)
}

// fails is serveFails for a command that runs `serve` in its own way.
func fails(t *testing.T, command *exec.Cmd, settings ...string) string {
	t.Helper()
	command.Dir = t.TempDir()
	command.Env = append([]string{"GATEWAY_OPS_LISTEN=127.0.0.1:0", "GATEWAY_JWT_SECRET=" + testSecret}, settings...)
	output, err := command.CombinedOutput()
	if err == nil {
		t.Errorf("it ended without an error:\n%s", output)
	}
	return string(output)
}

// TestUnixSocketFile starts gateways where something is already.
func TestUnixSocketFile(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	first := startProcess(t, openTable(t, forwardedBackend(t)), map[string]string{"GATEWAY_LISTEN": "unix:" + path})
	answers := func() error {
		res, err := unixClient(t, path, true).Get("http://x/open")
		if err == nil {
			res.Body.Close()
		}
		return err
	}
	if err := answers(); err != nil {
		t.Errorf("in place of a dead socket: %v", err)
	}
	if said := serveFails(t, "GATEWAY_LISTEN=unix:"+path); !strings.Contains(said, "another process listens there") {
		t.Errorf("beside another gateway it said:\n%s", said)
	}
	if err := answers(); err != nil {
		t.Errorf("after another gateway was refused: %v", err)
	}
	if err := os.Rename(path, path+"old"); err != nil {
		t.Fatal(err)
	}
	startProcess(t, openTable(t, forwardedBackend(t)), map[string]string{"GATEWAY_LISTEN": "unix:" + path})
	stopped := make(chan error, 1)
	go func() { stopped <- first.cmd.Wait() }()
	if err := first.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := testkit.ReceiveWithin(t, startTimeout, "the end of the first gateway", stopped); err != nil {
		t.Errorf("exit: %v\n%s", err, first.log)
	}
	if err := answers(); err != nil {
		t.Errorf("after the stop of a gateway that had the path before: %v", err)
	}
	file := testkit.TempFile(t, "file", "precious")
	if said := serveFails(t, "GATEWAY_LISTEN=unix:"+file); !strings.Contains(said, "a file that is no socket is there") || string(testkit.ReadFile(t, file)) != "precious" {
		t.Errorf("where a file is it said:\n%s", said)
	}
	if said := serveFails(t, "GATEWAY_LISTEN=unix:"+path+"/missing/s"); !strings.Contains(said, "listen on unix:") {
		t.Errorf("without a folder it said:\n%s", said)
	}
	if said := serveFails(t, "GATEWAY_LISTEN=systemd"); !strings.Contains(said, "systemd has passed no socket") {
		t.Errorf("without systemd it said:\n%s", said)
	}
}

// underSystemd returns a command that runs `serve` with open files, as systemd does.
// LISTEN_FDS and LISTEN_FDNAMES must be set.
func underSystemd(t *testing.T, table string, files ...*os.File) *exec.Cmd {
	t.Helper()
	command := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh", buildGateway(t), "serve", "-c", table)
	command.ExtraFiles = files
	return command
}

// TestWrongSocketOfSystemd passes what nobody can serve.
func TestWrongSocketOfSystemd(t *testing.T) {
	t.Parallel()
	listens, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listens.Close() })
	datagrams, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { datagrams.Close() })
	connected, err := net.Dial("tcp", listens.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connected.Close() })
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { null.Close() })
	fileOf := func(of any) *os.File {
		if file, ok := of.(*os.File); ok {
			return file
		}
		file, err := of.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		return file
	}
	for name, c := range map[string]struct {
		passed  any
		setting string
		want    string
	}{
		"datagrams":     {datagrams, "systemd", `use the socket "web" of systemd: it does not listen for connections`},
		"Accept=yes":    {connected, "systemd:web", "its unit needs ListenStream= and Accept=no"},
		"no socket":     {null, "systemd", `use the socket "web" of systemd: it is no socket`},
		"another name":  {listens, "systemd:public", `no socket with the FileDescriptorName "public"`},
		"what it is":    {listens, "systemd:public", `it has passed "web": set FileDescriptorName= in the socket unit, or set GATEWAY_LISTEN`},
		"second of two": {listens, "systemd:web systemd", "systemd has passed no socket to this process"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command := underSystemd(t, openTable(t, "http://127.0.0.1:9"), fileOf(c.passed))
			if said := fails(t, command, "LISTEN_FDS=1", "LISTEN_FDNAMES=web", "GATEWAY_LISTEN="+c.setting); !strings.Contains(said, c.want) {
				t.Errorf("it said:\n%s", said)
			}
		})
	}
}

// TestNotifySystemd follows what the gateway tells systemd.
func TestNotifySystemd(t *testing.T) {
	t.Parallel()
	path := socketPath(t)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(startTimeout))
	next := func() string {
		t.Helper()
		buf := make([]byte, 1000)
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		return string(buf[:n])
	}
	p := startProcess(t, openTable(t, "http://127.0.0.1:9"), map[string]string{"NOTIFY_SOCKET": path})
	if got := next(); got != "READY=1" {
		t.Errorf("after the start: %q", got)
	}
	_ = p.cmd.Process.Signal(syscall.SIGHUP)
	if got := next(); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") {
		t.Errorf("at a reload: %q", got)
	}
	if got := next(); got != "READY=1" {
		t.Errorf("after a reload: %q", got)
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if got := next(); got != "STOPPING=1" {
		t.Errorf("at the stop: %q", got)
	}
}

// TestSocketActivation lets systemd's own program open the sockets. It starts the gateway
// when the first client comes, whose request waits for it.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	activate, err := exec.LookPath("systemd-socket-activate")
	if err != nil {
		t.Fatal("this test needs systemd-socket-activate: tools/test-programs installs it (Debian: apt-get install systemd)")
	}
	address, path := testkit.FreeAddress(t), socketPath(t)
	command := exec.Command(activate, "--listen="+address, "--listen="+path, "--fdname=public:local",
		"-E", "GATEWAY_LISTEN=systemd:public systemd:local", "-E", "GATEWAY_OPS_LISTEN=127.0.0.1:0", "-E", "GATEWAY_JWT_SECRET="+testSecret,
		buildGateway(t), "serve", "-c", openTable(t, forwardedBackend(t)))
	command.Dir = t.TempDir()
	log := new(testkit.Log)
	command.Stderr = log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	log.Await(t, "Listening on "+path)
	for name, client := range map[string]*http.Client{address: {Timeout: startTimeout}, "x": unixClient(t, path, true)} {
		client.Timeout = startTimeout
		res, err := client.Get("http://" + name + "/open")
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, log)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s answers %d", name, res.StatusCode)
		}
	}
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("exit: %v\n%s", err, log)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the gateway has removed the socket of systemd: %v", err)
	}
}
