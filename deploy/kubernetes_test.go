package deploy_test

// The manifests of kustomize: built as `kubectl kustomize` builds them, decoded strictly into the types of Kubernetes,
// and held against each other.

import (
	"bytes"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testkit"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// manifests are the objects of one build, by name.
type manifests struct {
	namespaces      map[string]*corev1.Namespace
	accounts        map[string]*corev1.ServiceAccount
	configMaps      map[string]*corev1.ConfigMap
	secrets         map[string]*corev1.Secret
	services        map[string]*corev1.Service
	deployments     map[string]*appsv1.Deployment
	autoscalers     map[string]*autoscalingv2.HorizontalPodAutoscaler
	budgets         map[string]*policyv1.PodDisruptionBudget
	networkPolicies map[string]*networkingv1.NetworkPolicy
	monitors        map[string]*monitoringv1.ServiceMonitor
}

// add decodes one document. A kind that it does not know is an error, as is an unknown or duplicate key.
func (m *manifests) add(t testing.TB, document []byte) {
	t.Helper()
	var header metav1.TypeMeta
	if err := yaml.Unmarshal(document, &header); err != nil {
		t.Fatal(err)
	}
	switch kind := header.APIVersion + " " + header.Kind; kind {
	case "v1 Namespace":
		put(t, &m.namespaces, document)
	case "v1 ServiceAccount":
		put(t, &m.accounts, document)
	case "v1 ConfigMap":
		put(t, &m.configMaps, document)
	case "v1 Secret":
		put(t, &m.secrets, document)
	case "v1 Service":
		put(t, &m.services, document)
	case "apps/v1 Deployment":
		put(t, &m.deployments, document)
	case "autoscaling/v2 HorizontalPodAutoscaler":
		put(t, &m.autoscalers, document)
	case "policy/v1 PodDisruptionBudget":
		put(t, &m.budgets, document)
	case "networking.k8s.io/v1 NetworkPolicy":
		put(t, &m.networkPolicies, document)
	case "monitoring.coreos.com/v1 ServiceMonitor":
		put(t, &m.monitors, document)
	default:
		t.Fatalf("this test does not know %q:\n%s", kind, document)
	}
}

func put[T any, P interface {
	*T
	metav1.Object
}](t testing.TB, into *map[string]P, document []byte,
) {
	t.Helper()
	object := P(new(T))
	if err := yaml.UnmarshalStrict(document, object); err != nil {
		t.Fatalf("%v, in:\n%s", err, document)
	}
	if *into == nil {
		*into = map[string]P{}
	}
	if (*into)[object.GetName()] != nil {
		t.Fatalf("%s is there twice", object.GetName())
	}
	(*into)[object.GetName()] = object
}

// build runs kustomize.
func build(t testing.TB, folder string) *manifests {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.FromSlash(folder))
	if err != nil {
		t.Fatalf("kustomize build %s: %v", folder, err)
	}
	m := new(manifests)
	for _, one := range built.Resources() {
		document, err := one.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		m.add(t, document)
	}
	return m
}

// TestManifestsAreStrict reads the files as they are written: kustomize forgives what Kubernetes does not.
func TestManifestsAreStrict(t *testing.T) {
	files, err := filepath.Glob("kustomize/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("kustomize/*/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	decoded := 0
	for _, file := range append(files, more...) {
		switch path.Base(filepath.ToSlash(file)) {
		case "kustomization.yaml", "routes.yaml": // kustomize is strict about the first, gatehouse about the second
			continue
		}
		for document := range bytes.SplitSeq(read(t, filepath.ToSlash(file)), []byte("\n---\n")) {
			new(manifests).add(t, document)
			decoded++
		}
	}
	if decoded < 10 {
		t.Errorf("only %d manifests were found", decoded)
	}
}

func TestKustomizeBase(t *testing.T) {
	m := build(t, "kustomize/base")
	checkManifests(t, m)
	if len(m.monitors) > 0 {
		t.Error("the base needs the Prometheus operator")
	}
}

// TestKustomizeOpenShift: the pod names no ids, which OpenShift would refuse, and is otherwise as strict.
func TestKustomizeOpenShift(t *testing.T) {
	overlay := t.TempDir()
	from := func(folder string) string {
		absolute, err := filepath.Abs(folder)
		if err != nil {
			t.Fatal(err)
		}
		relative, err := filepath.Rel(overlay, absolute)
		if err != nil {
			t.Fatal(err)
		}
		return filepath.ToSlash(relative)
	}
	text := "resources: [" + from("kustomize/base") + "]\ncomponents: [" + from("kustomize/components/openshift") + "]\n"
	testkit.WriteFile(t, filepath.Join(overlay, "kustomization.yaml"), text)
	pod := build(t, overlay).deployments["gatehouse"].Spec.Template.Spec.SecurityContext
	if pod.RunAsUser != nil || pod.RunAsGroup != nil || pod.FSGroup != nil {
		t.Errorf("the pod names ids: %+v", pod)
	}
	if pod.RunAsNonRoot == nil || !*pod.RunAsNonRoot || pod.SeccompProfile == nil {
		t.Errorf("the pod may do more than in the base: %+v", pod)
	}
}

func TestKustomizeOverlay(t *testing.T) {
	m := build(t, "kustomize/overlays/example")
	checkManifests(t, m)

	table := m.configMaps["gatehouse-routes"].Data["routes.yaml"]
	if table != string(read(t, "kustomize/overlays/example/routes.yaml")) {
		t.Error("the overlay's route table is not the one that is deployed")
	}
	const namespace = "gatehouse"
	if m.namespaces[namespace] == nil {
		t.Error("the overlay's namespace is not made")
	}
	if got := m.deployments["gatehouse"].Namespace; got != namespace {
		t.Errorf("the Deployment is in namespace %q, want %q", got, namespace)
	}
	if image := m.deployments["gatehouse"].Spec.Template.Spec.Containers[0].Image; !strings.HasPrefix(image, "registry.example.com/") {
		t.Errorf("image %q, want that of the overlay", image)
	}
	checkMonitor(t, m)
}

func checkManifests(t *testing.T, m *manifests) {
	t.Helper()
	deployment := m.deployments["gatehouse"]
	if deployment == nil || len(deployment.Spec.Template.Spec.Containers) != 1 {
		t.Fatal("no Deployment `gatehouse` with one container")
	}
	t.Run("secrets", func(t *testing.T) { checkSecrets(t, m) })
	t.Run("selectors", func(t *testing.T) { checkSelectors(t, m) })
	t.Run("ports", func(t *testing.T) { checkPorts(t, m) })
	t.Run("probes", func(t *testing.T) { checkProbes(t, deployment) })
	t.Run("route table", func(t *testing.T) { checkRouteTable(t, m) })
	t.Run("rollout", func(t *testing.T) { checkRollout(t, m) })
	t.Run("shutdown", func(t *testing.T) { checkShutdown(t, deployment) })
	t.Run("memory", func(t *testing.T) { checkMemory(t, deployment) })
	t.Run("security", func(t *testing.T) { checkSecurity(t, m) })
	t.Run("network policy", func(t *testing.T) { checkNetworkPolicy(t, m) })
}

func container(d *appsv1.Deployment) *corev1.Container { return &d.Spec.Template.Spec.Containers[0] }

func environmentOf(d *appsv1.Deployment) environment {
	var e environment
	for _, variable := range container(d).Env {
		e = append(e, variable.Name+"="+variable.Value)
	}
	return e
}

// mounted finds where a volume is mounted, and the volume.
func mounted(t testing.TB, d *appsv1.Deployment, folder string) (corev1.VolumeMount, corev1.VolumeSource) {
	t.Helper()
	for _, mount := range container(d).VolumeMounts {
		for _, volume := range d.Spec.Template.Spec.Volumes {
			if mount.MountPath == folder && volume.Name == mount.Name {
				return mount, volume.VolumeSource
			}
		}
	}
	t.Fatalf("nothing is mounted at %s", folder)
	return corev1.VolumeMount{}, corev1.VolumeSource{}
}

// checkSecrets: values come from files, the files from a Secret that is not made here, under the keys of the example.
func checkSecrets(t *testing.T, m *manifests) {
	if len(m.secrets) > 0 {
		t.Error("a Secret is among the manifests")
	}
	example := new(manifests)
	example.add(t, read(t, "kustomize/base/secret.example.yaml"))
	files := 0
	for _, variable := range container(m.deployments["gatehouse"]).Env {
		if strings.Contains(variable.Name, "SECRET") || strings.Contains(variable.Name, "DATABASE") || strings.Contains(variable.Name, "PASSWORD") {
			if !strings.HasSuffix(variable.Name, "_FILE") {
				t.Errorf("%s is given by value", variable.Name)
			}
		}
		if !strings.HasSuffix(variable.Name, "_FILE") {
			continue
		}
		files++
		_, volume := mounted(t, m.deployments["gatehouse"], path.Dir(variable.Value))
		if volume.Secret == nil {
			t.Errorf("%s: %s is not in a Secret's volume", variable.Name, variable.Value)
			continue
		}
		secret := example.secrets[volume.Secret.SecretName]
		if secret == nil {
			t.Errorf("Secret %q: no such name in secret.example.yaml", volume.Secret.SecretName)
		} else if _, found := secret.StringData[path.Base(variable.Value)]; !found {
			t.Errorf("%s: no key %q in secret.example.yaml", variable.Name, path.Base(variable.Value))
		}
	}
	if files < 2 {
		t.Errorf("%d variables name files, want the signing secret and the database", files)
	}
}

// TestExampleSecretIsRefused: who applies the example as it is gets no gateway that everybody can sign tokens for.
func TestExampleSecretIsRefused(t *testing.T) {
	m := new(manifests)
	m.add(t, read(t, "kustomize/base/secret.example.yaml"))
	folder := t.TempDir()
	for key, value := range m.secrets["gatehouse"].StringData {
		testkit.WriteFile(t, filepath.Join(folder, key), value)
	}
	table, err := filepath.Abs("kustomize/base/routes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	serve := command(t, environment{
		"GATEWAY_LISTEN=127.0.0.1:0", "GATEWAY_OPS_LISTEN=127.0.0.1:0",
		"GATEWAY_JWT_SECRET_FILE=" + filepath.Join(folder, "jwt-secret"),
	}, "serve", "--config", table)
	output, err := serve.CombinedOutput()
	if serve.ProcessState.ExitCode() != 1 || !bytes.Contains(output, []byte("well-known default")) {
		t.Errorf("serve with the example's secret: %v, want a refusal\n%s", err, output)
	}
}

// checkSelectors: whatever selects pods selects those of the Deployment.
func checkSelectors(t *testing.T, m *manifests) {
	deployment := m.deployments["gatehouse"]
	pods := labels.Set(deployment.Spec.Template.Labels)
	selects := func(what string, selector *metav1.LabelSelector) {
		parsed, err := metav1.LabelSelectorAsSelector(selector)
		if err != nil || parsed.Empty() || !parsed.Matches(pods) {
			t.Errorf("%s: selector %v (%v) does not select the pods %v", what, selector, err, pods)
		}
	}
	selects("Deployment", deployment.Spec.Selector)
	for _, constraint := range deployment.Spec.Template.Spec.TopologySpreadConstraints {
		selects("spread over "+constraint.TopologyKey, constraint.LabelSelector)
	}
	if len(deployment.Spec.Template.Spec.TopologySpreadConstraints) == 0 {
		t.Error("pods are not spread")
	}
	for name, service := range m.services {
		selects("Service "+name, &metav1.LabelSelector{MatchLabels: service.Spec.Selector})
	}
	selects("PodDisruptionBudget", m.budgets["gatehouse"].Spec.Selector)
	selects("NetworkPolicy", &m.networkPolicies["gatehouse"].Spec.PodSelector)

	target := m.autoscalers["gatehouse"].Spec.ScaleTargetRef
	if target.APIVersion != "apps/v1" || target.Kind != "Deployment" || target.Name != deployment.Name {
		t.Errorf("HorizontalPodAutoscaler scales %v", target)
	}
	if m.accounts[deployment.Spec.Template.Spec.ServiceAccountName] == nil {
		t.Errorf("ServiceAccount %q is not made", deployment.Spec.Template.Spec.ServiceAccountName)
	}
}

// portNumbers are the container's ports by name.
func portNumbers(d *appsv1.Deployment) map[string]int32 {
	ports := map[string]int32{}
	for _, port := range container(d).Ports {
		ports[port.Name] = port.ContainerPort
	}
	return ports
}

// checkPorts: the addresses listened at, the container's ports, and those of the Services are the same.
func checkPorts(t *testing.T, m *manifests) {
	deployment := m.deployments["gatehouse"]
	ports, settings := portNumbers(deployment), environmentOf(deployment)
	for name, setting := range map[string]string{"http": "GATEWAY_LISTEN", "ops": "GATEWAY_OPS_LISTEN"} {
		if want := ":" + strconv.Itoa(int(ports[name])); settings.get(setting) != want {
			t.Errorf("%s is %q, want %q, the port %q", setting, settings.get(setting), want, name)
		}
	}
	for service, want := range map[string]string{"gatehouse": "http", "gatehouse-ops": "ops"} {
		found := m.services[service]
		if found == nil || len(found.Spec.Ports) != 1 || found.Spec.Ports[0].TargetPort != intstr.FromString(want) {
			t.Errorf("Service %s does not lead to port %q and no other", service, want)
		}
	}
	if operators := m.services["gatehouse-ops"]; operators.Spec.ClusterIP != corev1.ClusterIPNone || !operators.Spec.PublishNotReadyAddresses {
		t.Error("Service gatehouse-ops hides pods from Prometheus")
	}
}

func checkProbes(t *testing.T, deployment *appsv1.Deployment) {
	c := container(deployment)
	for _, want := range []struct {
		name  string
		probe *corev1.Probe
		path  string
	}{
		{"startup", c.StartupProbe, "/readyz"},
		{"readiness", c.ReadinessProbe, "/readyz"},
		{"liveness", c.LivenessProbe, "/livez"},
	} {
		if want.probe == nil || want.probe.HTTPGet == nil {
			t.Errorf("no %s probe", want.name)
			continue
		}
		get := want.probe.HTTPGet
		if get.Path != want.path || get.Port != intstr.FromString("ops") || portNumbers(deployment)["ops"] == 0 {
			t.Errorf("%s probe asks %s at port %s, want %s at ops", want.name, get.Path, get.Port.String(), want.path)
		}
	}
	// `serve` waits for the database for 30 seconds before it gives up.
	if patience := c.StartupProbe.PeriodSeconds * c.StartupProbe.FailureThreshold; patience <= 30 {
		t.Errorf("the startup probe gives up after %d seconds, before the gateway does", patience)
	}
}

// checkRouteTable: one name for good, mounted as a folder, where the command line looks for it, and valid.
func checkRouteTable(t *testing.T, m *manifests) {
	deployment := m.deployments["gatehouse"]
	arguments := container(deployment).Args
	if len(arguments) != 3 || arguments[0] != "serve" || arguments[1] != "--config" {
		t.Fatalf("arguments %q, want serve --config …", arguments)
	}
	mount, volume := mounted(t, deployment, path.Dir(arguments[2]))
	if volume.ConfigMap == nil {
		t.Fatalf("%s is not a ConfigMap", mount.MountPath)
	}
	if mount.SubPath != "" || mount.SubPathExpr != "" || len(volume.ConfigMap.Items) > 0 {
		t.Error("the route table is not mounted as a whole folder: edits would not arrive")
	}
	const name = "gatehouse-routes" // a hash in it would make every edit a rollout
	configMap := m.configMaps[name]
	if volume.ConfigMap.Name != name || configMap == nil {
		t.Fatalf("the Deployment mounts ConfigMap %q, want %q", volume.ConfigMap.Name, name)
	}
	table, found := configMap.Data[path.Base(arguments[2])]
	if !found {
		t.Fatalf("ConfigMap %s has no %s", name, path.Base(arguments[2]))
	}
	checkTable(t, []byte(table))
}

// checkRollout: never fewer than what is wanted, and never one alone.
func checkRollout(t *testing.T, m *manifests) {
	deployment, autoscaler := m.deployments["gatehouse"], m.autoscalers["gatehouse"]
	rolling := deployment.Spec.Strategy.RollingUpdate
	if rolling == nil || rolling.MaxUnavailable == nil || *rolling.MaxUnavailable != intstr.FromInt32(0) {
		t.Error("maxUnavailable is not 0")
	}
	if deployment.Spec.Replicas != nil {
		t.Error("the Deployment has replicas: they would fight with the HorizontalPodAutoscaler's")
	}
	least := autoscaler.Spec.MinReplicas
	if least == nil || *least < 2 || autoscaler.Spec.MaxReplicas <= *least {
		t.Error("fewer than two replicas, or no room to grow")
	}
	if unavailable := m.budgets["gatehouse"].Spec.MaxUnavailable; unavailable == nil || *unavailable != intstr.FromInt32(1) {
		t.Error("the PodDisruptionBudget does not take one at a time")
	}
	if image := container(deployment).Image; !isPinned(image) {
		t.Errorf("image %q names no version", image)
	}
}

// checkShutdown: Kubernetes waits for longer than the gateway takes.
func checkShutdown(t *testing.T, deployment *appsv1.Deployment) {
	settings := environmentOf(deployment)
	delay, timeout := duration(t, settings.get("GATEWAY_SHUTDOWN_DELAY")), duration(t, settings.get("GATEWAY_SHUTDOWN_TIMEOUT"))
	if delay == 0 || timeout == 0 {
		t.Errorf("shutdown delay %v and timeout %v, want both set", delay, timeout)
	}
	grace := deployment.Spec.Template.Spec.TerminationGracePeriodSeconds
	if grace == nil || time.Duration(*grace)*time.Second < delay+timeout+2*time.Second {
		t.Errorf("terminationGracePeriodSeconds leaves less than delay %v and timeout %v, and a little", delay, timeout)
	}
	if container(deployment).Lifecycle != nil {
		t.Error("a lifecycle hook: the image has nothing to run it with")
	}
}

// checkMemory: the garbage collector knows of the limit before the kernel enforces it.
func checkMemory(t *testing.T, deployment *appsv1.Deployment) {
	resources := container(deployment).Resources
	limit := resources.Limits.Memory()
	soft, err := resource.ParseQuantity(strings.TrimSuffix(environmentOf(deployment).get("GOMEMLIMIT"), "B")) // Go's MiB is a Mi here
	if err != nil {
		t.Fatalf("GOMEMLIMIT: %v", err)
	}
	if share := soft.AsApproximateFloat64() / limit.AsApproximateFloat64(); share < 0.7 || share > 0.9 {
		t.Errorf("GOMEMLIMIT is %.0f%% of the memory limit, want about 80%%", 100*share)
	}
	for _, list := range []corev1.ResourceList{resources.Requests, resources.Limits} {
		if list.Cpu().IsZero() || list.Memory().IsZero() {
			t.Errorf("resources %v, want CPU and memory", list)
		}
	}
}

func checkSecurity(t *testing.T, m *manifests) {
	pod, c := m.deployments["gatehouse"].Spec.Template.Spec, container(m.deployments["gatehouse"])
	yes := func(what string, value *bool) {
		if value == nil || !*value {
			t.Errorf("%s is not true", what)
		}
	}
	no := func(what string, value *bool) {
		if value == nil || *value {
			t.Errorf("%s is not false", what)
		}
	}
	yes("runAsNonRoot", pod.SecurityContext.RunAsNonRoot)
	yes("readOnlyRootFilesystem", c.SecurityContext.ReadOnlyRootFilesystem)
	no("allowPrivilegeEscalation", c.SecurityContext.AllowPrivilegeEscalation)
	no("automountServiceAccountToken of the pod", pod.AutomountServiceAccountToken)
	no("automountServiceAccountToken of the ServiceAccount", m.accounts["gatehouse"].AutomountServiceAccountToken)
	no("enableServiceLinks", pod.EnableServiceLinks)
	if user := pod.SecurityContext.RunAsUser; user == nil || strconv.FormatInt(*user, 10) != dockerfileUser(t) {
		t.Error("runAsUser is not the user of the Dockerfile")
	}
	if profile := pod.SecurityContext.SeccompProfile; profile == nil || profile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Error("seccompProfile is not RuntimeDefault")
	}
	if drop := c.SecurityContext.Capabilities; drop == nil || !slices.Equal(drop.Drop, []corev1.Capability{"ALL"}) || len(drop.Add) > 0 {
		t.Error("not all capabilities are dropped")
	}
	for _, mount := range c.VolumeMounts {
		if !mount.ReadOnly {
			t.Errorf("%s can be written to", mount.MountPath)
		}
	}
}

// checkNetworkPolicy: the clients' port is for all, the operators' for monitoring.
func checkNetworkPolicy(t *testing.T, m *manifests) {
	policy := m.networkPolicies["gatehouse"].Spec
	if !slices.Equal(policy.PolicyTypes, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}) {
		t.Errorf("policy types %v", policy.PolicyTypes)
	}
	seen := map[string]bool{}
	for _, rule := range policy.Ingress {
		for _, port := range rule.Ports {
			seen[port.Port.String()] = true
			switch port.Port.String() {
			case "http":
				if len(rule.From) > 0 {
					t.Error("not everybody reaches the clients' port")
				}
			case "ops":
				if len(rule.From) != 1 || rule.From[0].NamespaceSelector == nil ||
					rule.From[0].NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] != "monitoring" {
					t.Errorf("the operators' port is open to %v", rule.From)
				}
			default:
				t.Errorf("port %s is open", port.Port.String())
			}
		}
		if len(rule.Ports) == 0 {
			t.Error("a rule opens every port")
		}
	}
	if !seen["http"] || !seen["ops"] {
		t.Errorf("ports %v are open, want http and ops", seen)
	}
}

// checkMonitor: the ServiceMonitor finds the operators' Service alone, and makes the job that rules and dashboard ask for.
func checkMonitor(t *testing.T, m *manifests) {
	monitor := m.monitors["gatehouse"]
	if monitor == nil {
		t.Fatal("no ServiceMonitor")
	}
	selector, err := metav1.LabelSelectorAsSelector(&monitor.Spec.Selector)
	if err != nil {
		t.Fatal(err)
	}
	for name, service := range m.services {
		if got, want := selector.Matches(labels.Set(service.Labels)), name == "gatehouse-ops"; got != want {
			t.Errorf("the ServiceMonitor selects Service %s: %v, want %v", name, got, want)
		}
	}
	if job := m.services["gatehouse-ops"].Labels[monitor.Spec.JobLabel]; job != "gatehouse" {
		t.Errorf("the job will be %q, want gatehouse", job)
	}
	if endpoints := monitor.Spec.Endpoints; len(endpoints) != 1 || endpoints[0].Port != m.services["gatehouse-ops"].Spec.Ports[0].Name ||
		endpoints[0].Path != "/metrics" {
		t.Errorf("the ServiceMonitor scrapes %v", endpoints)
	}
}
