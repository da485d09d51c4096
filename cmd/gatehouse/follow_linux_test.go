package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"gatehouse/internal/testkit"
)

// TestWatchesExhausted starts a gateway in its own user namespace without
// inotify watches. The log must say so at once, and edits must still be found.
func TestWatchesExhausted(t *testing.T) {
	t.Parallel()
	for bound, told := range map[string]string{
		"max_inotify_instances": "fs.inotify.max_user_instances", "max_inotify_watches": "fs.inotify.max_user_watches",
	} {
		t.Run(bound, func(t *testing.T) {
			t.Parallel()
			first, second := reportingBackend(t, "first"), reportingBackend(t, "second")
			file := testkit.TempFile(t, "routes.yaml", table(first))
			command := exec.Command("/bin/sh", "-c", `echo 0 >/proc/sys/user/`+bound+` && exec "$0" serve -c "$1"`, buildGateway(t), file)
			command.SysProcAttr = &syscall.SysProcAttr{
				Cloneflags:  syscall.CLONE_NEWUSER,
				UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
				GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
			}
			gateway := startCommand(t, command, nil)
			testkit.Eventually(t, "the log tells of it", func() bool {
				return strings.Contains(gateway.log.String(), "edits of files are found by polling only") &&
					strings.Contains(gateway.log.String(), told)
			})
			testkit.WriteFile(t, file, table(second))
			testkit.Eventually(t, "the edit is found", func() bool {
				return strings.HasPrefix(do(t, request{url: gateway.url + "/open"}).body, "second ")
			})
		})
	}
}
