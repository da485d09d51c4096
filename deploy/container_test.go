package deploy_test

// Dockerfile, .dockerignore and compose.yaml: read closely, as there is no engine here to run them.

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// instruction is one of a Dockerfile, its lines joined.
type instruction struct{ name, arguments string }

// dockerfile reads the instructions, stage by stage.
func dockerfile(t testing.TB) (stages [][]instruction) {
	t.Helper()
	var whole strings.Builder
	for line := range strings.Lines(string(read(t, "Dockerfile"))) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		whole.WriteString(line)
	}
	for line := range strings.Lines(strings.ReplaceAll(whole.String(), "\\\n", " ")) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		one := instruction{fields[0], strings.Join(fields[1:], " ")}
		if !slices.Contains([]string{
			"FROM", "ARG", "LABEL", "COPY", "RUN", "WORKDIR", "VOLUME", "USER", "EXPOSE", "ENTRYPOINT", "CMD",
		}, one.name) {
			t.Fatalf("Dockerfile: unexpected %s", line)
		}
		if one.name == "FROM" {
			stages = append(stages, nil)
		}
		stages[len(stages)-1] = append(stages[len(stages)-1], one)
	}
	if len(stages) != 2 {
		t.Fatalf("the Dockerfile has %d stages, want one that builds and one that is shipped", len(stages))
	}
	return stages
}

// only returns the arguments of the single instruction of that name.
func only(t testing.TB, stage []instruction, name string) string {
	t.Helper()
	found := all(stage, name)
	if len(found) != 1 {
		t.Fatalf("Dockerfile: %d %s in a stage, want one", len(found), name)
	}
	return found[0]
}

func all(stage []instruction, name string) (found []string) {
	for _, one := range stage {
		if one.name == name {
			found = append(found, one.arguments)
		}
	}
	return found
}

// isPinned says whether an image names a version.
func isPinned(image string) bool {
	_, tag, found := strings.Cut(path.Base(image), ":")
	return found && tag != "" && tag != "latest" && !strings.HasPrefix(tag, "$")
}

func dockerfileUser(t testing.TB) string {
	t.Helper()
	user, _, _ := strings.Cut(only(t, dockerfile(t)[1], "USER"), ":")
	return user
}

func TestDockerfileBuilds(t *testing.T) {
	stage := dockerfile(t)[0]
	from := strings.Fields(only(t, stage, "FROM"))
	image := from[len(from)-3] // … AS build
	version := regexp.MustCompile(`(?m)^go \d+\.\d+`).FindString(string(read(t, "../go.mod")))
	if version == "" || !strings.HasPrefix(image, "golang:"+strings.TrimPrefix(version, "go ")+"-") {
		t.Errorf("the image %s does not have the Go of go.mod, %s", image, version)
	}
	compile := strings.Join(all(stage, "RUN"), "\n")
	// The flags of `make build`, with the variable that VERSION goes into.
	for _, want := range []string{"CGO_ENABLED=0", "-trimpath", "-s -w -X main.version=$VERSION", "./cmd/gatehouse"} {
		if !strings.Contains(compile, want) {
			t.Errorf("the Dockerfile does not build with %s", want)
		}
		if flag := strings.ReplaceAll(want, "$VERSION", "$(VERSION)"); !strings.Contains(string(read(t, "../Makefile")), flag) {
			t.Errorf("make build has no %s any more", flag)
		}
	}
}

func TestDockerfileShips(t *testing.T) {
	stage := dockerfile(t)[1]
	if image := only(t, stage, "FROM"); !isPinned(image) || !strings.Contains(image, "distroless/static") {
		t.Errorf("the image is made from %s", image)
	}
	if len(all(stage, "RUN")) > 0 {
		t.Error("the shipped stage runs something, and has no shell to do so")
	}
	if user := only(t, stage, "USER"); !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(user) {
		t.Errorf("USER %s, want two numbers that are not root's", user)
	}
	// The default store is made in the working directory, which has to be a volume that the user may write, and the group
	// 0: OpenShift runs the image as an arbitrary user with that group.
	if folder := only(t, stage, "WORKDIR"); folder != only(t, stage, "VOLUME") ||
		!slices.Contains(all(stage, "COPY"), "--from=build --chown="+dockerfileUser(t)+":0 --chmod=0775 /out/data "+folder) {
		t.Errorf("the working directory %s is not a volume that the user and the group 0 may write", folder)
	}
	deployment := build(t, "kustomize/base").deployments["gatehouse"]
	if ports := only(t, stage, "EXPOSE"); ports != "8080 8081" || portNumbers(deployment)["http"] != 8080 || portNumbers(deployment)["ops"] != 8081 {
		t.Errorf("EXPOSE %s does not tell the ports of the Deployment", ports)
	}
	var program, arguments []string
	if json.Unmarshal([]byte(only(t, stage, "ENTRYPOINT")), &program) != nil || json.Unmarshal([]byte(only(t, stage, "CMD")), &arguments) != nil {
		t.Fatal("ENTRYPOINT and CMD are not in the form that needs no shell")
	}
	if !slices.Contains(all(stage, "COPY"), "--from=build /out/gatehouse "+program[0]) {
		t.Errorf("nothing is copied to %s", program[0])
	}
	if !slices.Equal(arguments, container(deployment).Args) {
		t.Errorf("CMD %q differs from the Deployment's %q", arguments, container(deployment).Args)
	}
	for _, label := range []string{"title", "description", "licenses", "version", "revision", "created"} {
		if !strings.Contains(only(t, stage, "LABEL"), "org.opencontainers.image."+label+"=") {
			t.Errorf("no label %s", label)
		}
	}
}

// TestDockerignoreKeepsWhatIsCompiled: every folder that the program is made of goes into the build, and nothing secret.
func TestDockerignoreKeepsWhatIsCompiled(t *testing.T) {
	var kept []string
	for line := range strings.Lines(string(read(t, "../.dockerignore"))) {
		if folder, found := strings.CutPrefix(strings.TrimSpace(line), "!"); found {
			kept = append(kept, folder)
		}
	}
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if .Module}}{{if .Module.Main}}{{.Dir}}{{end}}{{end}}", "./cmd/gatehouse")
	list.Dir = ".."
	output, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	needed := []string{"LICENSE", "go.mod", "go.sum"}
	for folder := range strings.FieldsSeq(string(output)) {
		below, err := filepath.Rel(root, folder)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(filepath.ToSlash(below), "/")
		needed = append(needed, first)
	}
	slices.Sort(needed)
	needed = slices.Compact(needed)
	slices.Sort(kept)
	if !slices.Equal(kept, needed) {
		t.Errorf(".dockerignore lets in %q, the build needs %q", kept, needed)
	}
}

// compose has what compose.yaml uses of the Compose specification, and no more: a misspelt key is an error.
type compose struct {
	Name     string                     `json:"name"`
	Services map[string]*composeService `json:"services"`
	Networks map[string]*struct {
		Internal bool `json:"internal"`
	} `json:"networks"`
	Volumes map[string]*struct{} `json:"volumes"`
	Secrets map[string]struct {
		File string `json:"file"`
	} `json:"secrets"`
}

type composeService struct {
	Image string `json:"image"`
	Build *struct {
		Context    string            `json:"context"`
		Dockerfile string            `json:"dockerfile"`
		Args       map[string]string `json:"args"`
	} `json:"build"`
	Command     []string          `json:"command"`
	Environment map[string]string `json:"environment"`
	Secrets     []string          `json:"secrets"`
	Volumes     []string          `json:"volumes"`
	Ports       []string          `json:"ports"`
	Networks    []string          `json:"networks"`
	DependsOn   map[string]struct {
		Condition string `json:"condition"`
	} `json:"depends_on"`
	Healthcheck *struct {
		Test     []string `json:"test"`
		Interval string   `json:"interval"`
		Timeout  string   `json:"timeout"`
		Retries  int      `json:"retries"`
	} `json:"healthcheck"`
	Restart         string   `json:"restart"`
	StopGracePeriod string   `json:"stop_grace_period"`
	ReadOnly        bool     `json:"read_only"`
	CapDrop         []string `json:"cap_drop"`
	SecurityOpt     []string `json:"security_opt"`
	MemLimit        string   `json:"mem_limit"`
}

func readCompose(t testing.TB) compose {
	t.Helper()
	var c compose
	decode(t, "compose.yaml", &c)
	return c
}

func TestComposeRefersToWhatIsThere(t *testing.T) {
	c := readCompose(t)
	for name, service := range c.Services {
		if !isPinned(service.Image) && service.Build == nil {
			t.Errorf("%s: image %q names no version", name, service.Image)
		}
		for _, secret := range service.Secrets {
			if !strings.HasPrefix(c.Secrets[secret].File, "./secrets/") {
				t.Errorf("%s: secret %q is not a file in the folder that version control ignores", name, secret)
			}
		}
		for _, network := range service.Networks {
			if _, found := c.Networks[network]; !found {
				t.Errorf("%s: no network %q", name, network)
			}
		}
		for other, on := range service.DependsOn {
			if c.Services[other] == nil || on.Condition == "service_healthy" && c.Services[other].Healthcheck == nil {
				t.Errorf("%s: waits for %s to be well, which nobody checks", name, other)
			}
		}
		for _, volume := range service.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if _, named := c.Volumes[source]; named {
				continue
			}
			if _, err := os.Stat(filepath.FromSlash(source)); err != nil || !strings.HasSuffix(volume, ":ro") {
				t.Errorf("%s: volume %q: %v; want a file or folder here, read only", name, volume, err)
			}
		}
		for variable, value := range service.Environment {
			if strings.Contains(variable, "PASSWORD") || strings.Contains(variable, "SECRET") {
				if secret, found := strings.CutPrefix(value, "/run/secrets/"); !strings.HasSuffix(variable, "_FILE") || !found || !slices.Contains(service.Secrets, secret) {
					t.Errorf("%s: %s is not the file of one of its secrets", name, variable)
				}
			}
		}
	}
}

func TestComposeGateway(t *testing.T) {
	c := readCompose(t)
	gateway := c.Services["gateway"]
	for name, service := range c.Services {
		for _, port := range service.Ports {
			if public := port == "8080:8080" && name == "gateway"; !public && !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s: port %s is open to everybody", name, port)
			}
		}
	}
	if !c.Networks["data"].Internal || !slices.Equal(c.Services["postgres"].Networks, []string{"data"}) {
		t.Error("others than the gateway reach the database")
	}
	if _, err := os.Stat(filepath.Join(gateway.Build.Context, filepath.FromSlash(gateway.Build.Dockerfile))); err != nil {
		t.Error(err)
	}
	if !gateway.ReadOnly || !slices.Equal(gateway.CapDrop, []string{"ALL"}) || !slices.Contains(gateway.SecurityOpt, "no-new-privileges:true") {
		t.Error("the gateway may do more than it has to")
	}
	grace := duration(t, gateway.StopGracePeriod)
	needed := duration(t, gateway.Environment["GATEWAY_SHUTDOWN_DELAY"]) + duration(t, gateway.Environment["GATEWAY_SHUTDOWN_TIMEOUT"])
	if needed == 0 || grace < needed+2*time.Second {
		t.Errorf("it is killed after %v, and needs %v", grace, needed)
	}
	// The table is where the image's command looks for it.
	var arguments []string
	if err := json.Unmarshal([]byte(only(t, dockerfile(t)[1], "CMD")), &arguments); err != nil {
		t.Fatal(err)
	}
	if want := "./compose:" + path.Dir(arguments[2]) + ":ro"; !slices.Contains(gateway.Volumes, want) {
		t.Errorf("volumes %q, want %q", gateway.Volumes, want)
	}
	// The database that is asked for is the one that is made.
	if postgres := c.Services["postgres"]; gateway.Environment["GATEWAY_POSTGRES_SERVER"] != "postgres" ||
		gateway.Environment["GATEWAY_POSTGRES_USER"] != postgres.Environment["POSTGRES_USER"] ||
		gateway.Environment["GATEWAY_POSTGRES_DB"] != postgres.Environment["POSTGRES_DB"] ||
		gateway.Environment["GATEWAY_POSTGRES_PASSWORD_FILE"] != postgres.Environment["POSTGRES_PASSWORD_FILE"] {
		t.Error("the gateway asks for another database than the one that is made")
	}
	_, port, err := net.SplitHostPort(gateway.Environment["GATEWAY_OPS_LISTEN"])
	if err != nil {
		t.Fatal(err)
	}
	if got, want := scrapeTargets(t)["gatehouse"], []string{"gateway:" + port}; !slices.Equal(got, want) {
		t.Errorf("prometheus.yml scrapes %q, want %q", got, want)
	}
}
