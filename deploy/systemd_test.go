package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gatehouse/internal/testkit"
)

// TestSystemdUnits lets systemd read the units, and rate what the service may do.
func TestSystemdUnits(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("this test needs systemd-analyze: tools/test-programs installs it (Debian: apt-get install systemd)")
	}
	folder := t.TempDir()
	units := []string{"verify", "--man=no"}
	for _, name := range []string{"gatehouse.service", "gatehouse.socket", "gatehouse-redirect.socket"} {
		unit := string(testkit.ReadFile(t, filepath.Join("systemd", name)))
		unit = strings.ReplaceAll(unit, "/usr/local/bin/gatehouse", "/bin/true") // must exist
		path := filepath.Join(folder, name)
		testkit.WriteFile(t, path, unit)
		units = append(units, path)
	}
	if output, err := exec.Command(analyze, units...).CombinedOutput(); err != nil || len(output) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, output)
	}
	output, err := exec.Command(analyze, "security", "--offline=true", "--no-pager", filepath.Join(folder, "gatehouse.service")).CombinedOutput()
	exposure := regexp.MustCompile(`Overall exposure level for gatehouse.service: ([\d.]+)`).FindSubmatch(output)
	if err != nil || exposure == nil {
		t.Fatalf("systemd-analyze security: %v\n%s", err, output)
	}
	if level, _ := strconv.ParseFloat(string(exposure[1]), 64); level > 2 {
		t.Errorf("exposure level %v of 10: want at most 2\n%s", level, output)
	}
}

// TestSystemdSettings checks that the service uses the name of its socket, and that the
// socket for redirects has the name that its setting says.
func TestSystemdSettings(t *testing.T) {
	t.Parallel()
	service, err := os.ReadFile("systemd/gatehouse.service")
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(`(?m)^Environment=GATEWAY_LISTEN=systemd:(.+)$`).FindSubmatch(service)
	if match == nil {
		t.Fatal("GATEWAY_LISTEN names no socket")
	}
	if socket := testkit.ReadFile(t, "systemd/gatehouse.socket"); !strings.Contains(string(socket), "FileDescriptorName="+string(match[1])+"\n") {
		t.Errorf("the socket has another name than %q", match[1])
	}
	redirect := string(testkit.ReadFile(t, "systemd/gatehouse-redirect.socket"))
	for _, want := range []string{"GATEWAY_REDIRECT_LISTEN=systemd:redirect", "\nFileDescriptorName=redirect\n", "\nService=gatehouse.service\n"} {
		if !strings.Contains(redirect, want) {
			t.Errorf("the socket for redirects has no %q", want)
		}
	}
}
