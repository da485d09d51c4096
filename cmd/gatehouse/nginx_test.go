package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// startNginx runs a real nginx that has the lines in its one server, and gives
// its URL.
func startNginx(t *testing.T, lines string) string {
	t.Helper()
	return listenNginx(t, "", lines)
}

// listenNginx is startNginx with parameters of the listener.
func listenNginx(t *testing.T, parameters, lines string) string {
	t.Helper()
	address := testkit.FreeAddress(t)
	folder := t.TempDir()
	file := testkit.TempFile(t, "nginx.conf", `daemon off; master_process off; pid "`+filepath.Join(folder, "pid")+`"; error_log stderr error;
events {}
http {
  access_log off; client_body_temp_path "`+folder+`"; proxy_temp_path "`+folder+`";
  fastcgi_temp_path "`+folder+`"; uwsgi_temp_path "`+folder+`"; scgi_temp_path "`+folder+`";
  server { listen `+address+` `+parameters+`; `+lines+` }
}`)
	runNginx(t, folder, file, address)
	return "http://" + address
}

// runNginx runs nginx with a configuration file, and waits until it listens on address.
func runNginx(t *testing.T, folder, file, address string) {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx" // Debian keeps it out of the PATH of most users
	}
	var said bytes.Buffer
	command := exec.Command(program, "-p", folder, "-e", "stderr", "-c", file)
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		t.Fatalf("start nginx (tools/test-programs installs it): %v", err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			t.Logf("nginx said: %s", &said)
		}
	})
	testkit.Eventually(t, "nginx listens", func() bool {
		conn, err := net.DialTimeout("tcp", address, testkit.Timeout)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// TestEarlyAnswersKeepConnections has a backend that answers without a look at
// the body. What a client has sent by then is read, and so its connection is as
// good as before.
func TestEarlyAnswersKeepConnections(t *testing.T) {
	t.Parallel()
	backend := startNginx(t, `location / { return 200 ok; } location /refused { return 401; }`)
	for _, transport := range []string{"lean", "standard"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			gateway := start(t, openTable(t, backend), map[string]string{"GATEWAY_TRANSPORT": transport})
			for _, size := range []int{2, 1000, 20_000, 100_000} {
				for _, path := range []string{"/open", "/open/refused"} {
					t.Run(fmt.Sprint(size, path), func(t *testing.T) {
						const posts = 200
						if closed := closedAnswers(t, gateway.url, path, size, posts); closed > 0 {
							t.Errorf("%d of %d answers end their connection", closed, 2*posts)
						}
					})
				}
			}
		})
	}
}

// closedAnswers counts the answers that end their connection. Half of the
// clients send a body with its head, half behind it.
func closedAnswers(t *testing.T, gateway, path string, size, posts int) (closed int) {
	t.Helper()
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", path, size)
	body := strings.Repeat("x", size)
	var clients sync.WaitGroup
	var mu sync.Mutex
	for _, pieces := range [][]string{{head + body}, {head, body}} {
		clients.Go(func() {
			var conn net.Conn
			var in *bufio.Reader
			for range posts {
				if conn == nil {
					var err error
					if conn, err = net.Dial("tcp", strings.TrimPrefix(gateway, "http://")); err != nil {
						t.Error(err)
						return
					}
					_ = conn.SetDeadline(time.Now().Add(3 * testkit.Timeout))
					in = bufio.NewReader(conn)
				}
				for _, piece := range pieces {
					_, _ = io.WriteString(conn, piece)
				}
				res, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				if res.Close {
					mu.Lock()
					closed++
					mu.Unlock()
					_ = conn.Close()
					conn = nil
				}
			}
			if conn != nil {
				_ = conn.Close()
			}
		})
	}
	clients.Wait()
	return closed
}
