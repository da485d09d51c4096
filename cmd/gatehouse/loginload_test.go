package main

// This file measures the effect of many logins on other requests.

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/testkit"

	"github.com/google/uuid"
	"golang.org/x/crypto/bcrypt"
)

// BenchmarkLoginLoad measures both sides of one bargain. A login that is alone
// is compared with what the comparison of its hash takes in one go (login-ratio;
// at most 1.2 on an idle machine). And the 99th percentile of proxied GETs at rest
// is compared with the one under 200 logins a second (p99-ratio; at most 2), half of them with a right password, each
// from an address of its own so that none is throttled. Gateway and store are
// the real ones at the real bcrypt cost, in a process of their own; backend and
// clients share the machine with them. Rest and load alternate, and of each
// the median round counts, so that what else the machine does falls on both.
func BenchmarkLoginLoad(b *testing.B) {
	const (
		getsPerSecond, loginsPerSecond = 200, 200
		period                         = 2 * time.Second
		rounds                         = 9
	)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "[]")
	}))
	defer backend.Close()
	url, company := "sqlite:"+filepath.Join(b.TempDir(), "users.db"), uuid.New()
	addUser(b, url, "ann@example.com", &company)
	gateway := startProcess(b, testkit.TempFile(b, "routes.yaml", "trusted_proxies: [127.0.0.0/8]\nroutes:\n"+
		"  - {name: users, prefix: /api/v1/users, handler: users}\n"+
		"  - {name: query, prefix: /query, backend: '"+backend.URL+"'}\n"),
		map[string]string{"GATEWAY_DATABASE_URL": url})
	token := login(b, &running{url: gateway.url}, "ann@example.com")

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	get := func(int) (int, error) {
		r, err := http.NewRequest(http.MethodGet, gateway.url+"/query/chats", http.NoBody)
		if err != nil {
			return 0, err
		}
		r.Header.Set("Authorization", "Bearer "+token)
		return statusOf(client, r)
	}
	logIn := func(i int) (int, error) {
		email := "ann@example.com"
		if i%2 == 0 {
			email = fmt.Sprintf("nobody%d@example.com", i)
		}
		r, err := http.NewRequest(http.MethodPost, gateway.url+"/api/v1/users/login",
			strings.NewReader(`{"email":"`+email+`","password":"`+testPassword+`"}`))
		if err != nil {
			return 0, err
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255))
		return statusOf(client, r)
	}

	alone, bare := loginAlone(b, gateway.url)

	var atRest, underLoad latencies
	answers, sent := map[int]int{}, 0
	measure := func(into *latencies) {
		taken, statuses := send(b, getsPerSecond, period, 0, get)
		into.add(taken)
		if statuses[http.StatusOK] != len(taken) {
			b.Fatalf("answers to GET: %v", statuses)
		}
	}
	measure(new(latencies)) // to warm up
	for b.Loop() {
		for range rounds {
			measure(&atRest)
			var load sync.WaitGroup
			load.Go(func() {
				taken, statuses := send(b, loginsPerSecond, period, sent, logIn)
				sent += len(taken)
				for status, n := range statuses {
					answers[status] += n
				}
			})
			measure(&underLoad)
			load.Wait()
		}
	}
	rest, load := median(atRest.p99), median(underLoad.p99)
	b.ReportMetric(0, "ns/op") // means nothing here
	b.ReportMetric(milliseconds(alone), "login-ms")
	b.ReportMetric(float64(alone)/float64(bare), "login-ratio")
	b.ReportMetric(milliseconds(median(atRest.p50)), "rest-p50-ms")
	b.ReportMetric(milliseconds(median(underLoad.p50)), "load-p50-ms")
	b.ReportMetric(milliseconds(rest), "rest-p99-ms")
	b.ReportMetric(milliseconds(load), "load-p99-ms")
	b.ReportMetric(float64(load)/float64(rest), "p99-ratio")
	b.Logf("answers to %d logins: %v; p99 of the rounds at rest %v, under the load %v", sent, answers, atRest.p99, underLoad.p99)
}

// loginAlone returns how long a login takes while nobody else asks for anything,
// and how long the comparison in golang.org/x/crypto, by turns, and of each the
// median.
func loginAlone(b *testing.B, url string) (alone, bare time.Duration) {
	hash, err := bcrypt.GenerateFromPassword([]byte(testPassword), 12)
	if err != nil {
		b.Fatal(err)
	}
	var logins, comparisons []time.Duration
	for range 9 {
		began := time.Now()
		if err := bcrypt.CompareHashAndPassword(hash, []byte(testPassword)); err != nil {
			b.Fatal(err)
		}
		comparisons = append(comparisons, time.Since(began))
		began = time.Now()
		login(b, &running{url: url}, "ann@example.com")
		logins = append(logins, time.Since(began))
	}
	return median(logins), median(comparisons)
}

// latencies are percentiles, one of each a round.
type latencies struct{ p50, p99 []time.Duration }

func (t *latencies) add(taken []time.Duration) {
	slices.Sort(taken)
	t.p50 = append(t.p50, taken[len(taken)/2])
	t.p99 = append(t.p99, taken[(len(taken)-1)*99/100])
}

func median(of []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(of))[len(of)/2]
}

// send begins so many requests a second, whether or not those before are
// answered, and gives how long each took once all are.
func send(b *testing.B, perSecond int, period time.Duration, first int, one func(int) (int, error)) ([]time.Duration, map[int]int) {
	n := int(period.Seconds() * float64(perSecond))
	taken, statuses, errs := make([]time.Duration, n), make([]int, n), make([]error, n)
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	var group sync.WaitGroup
	for i := range n {
		<-tick.C
		group.Go(func() {
			begin := time.Now()
			statuses[i], errs[i] = one(first + i)
			taken[i] = time.Since(begin)
		})
	}
	group.Wait()
	counts := map[int]int{}
	for i, status := range statuses {
		if errs[i] != nil {
			b.Error(errs[i])
		}
		counts[status]++
	}
	return taken, counts
}

func statusOf(client *http.Client, r *http.Request) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Timeout)
	defer cancel()
	response, err := client.Do(r.WithContext(ctx))
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
