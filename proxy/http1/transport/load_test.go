package transport_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/internal/testkit"
)

// echo answers with the id and the body of the request, in one of many forms.
func echo(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("X-Id")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("X-Id", id)
	number, _ := strconv.Atoi(id)
	switch number % 7 {
	case 1: // in chunks
		io.WriteString(w, id+" ")
		w.(http.Flusher).Flush()
		w.Write(body)
		return
	case 2:
		w.Header().Set("Connection", "close")
	case 3:
		w.Header().Set("Trailer", "X-Sum")
		defer w.Header().Set("X-Sum", id)
		w.(http.Flusher).Flush()
	case 4:
		w.Header().Set("Link", "</"+id+">")
		w.WriteHeader(http.StatusEarlyHints)
	}
	io.WriteString(w, id+" "+string(body))
}

// storm sends requests of every kind from many goroutines. Some of them are canceled at
// some time.
func storm(t *testing.T, client testedTransport, url string, goroutines, requests int, giveUp bool) {
	t.Helper()
	var all sync.WaitGroup
	for n := range goroutines {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(n), 1))
			for i := range requests {
				if err := oneOfMany(t, client, url, n*requests+i, giveUp, random); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

func oneOfMany(t *testing.T, client testedTransport, url string, number int, giveUp bool, random *rand.Rand) error {
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Timeout)
	defer cancel()
	id := strconv.Itoa(number)
	method, content, body := oneBody(number)
	r, err := http.NewRequestWithContext(ctx, method, url+"/"+id, body)
	if err != nil {
		return err
	}
	r.Header.Set("X-Id", id)
	closeEarly := false
	if giveUp {
		switch random.IntN(4) {
		case 0:
			time.AfterFunc(time.Duration(random.IntN(2000))*time.Microsecond, cancel)
		case 1:
			closeEarly = true
		}
	}
	res, err := client.RoundTrip(r)
	if err == nil && closeEarly {
		res.Body.Close()
		return nil
	}
	var got []byte
	if err == nil {
		got, err = io.ReadAll(res.Body)
		res.Body.Close()
	}
	switch {
	case err != nil && giveUp && errors.Is(err, context.Canceled):
		return nil
	case err != nil:
		return err
	case res.Header.Get("X-Id") != id || string(got) != id+" "+content:
		return errors.New(id + " got the answer of " + res.Header.Get("X-Id"))
	case number%7 == 3 && res.Trailer.Get("X-Sum") != id:
		return errors.New(id + " got the trailer of " + res.Trailer.Get("X-Sum"))
	}
	return nil
}

// oneBody returns a method and a body for the number: the content, and a reader of it.
func oneBody(number int) (method, content string, body io.Reader) {
	content = "content of " + strconv.Itoa(number)
	switch number % 5 {
	case 0:
		return "POST", content, strings.NewReader(content)
	case 1:
		return "PUT", content, hidden{strings.NewReader(content)}
	case 2:
		content = strings.Repeat(content+"\n", 2000)
		return "POST", content, strings.NewReader(content)
	default:
		return "GET", "", nil
	}
}

func TestEveryAnswerToItsRequest(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		for name, b := range map[string]bounds{"no bound": {}, "four connections": {maxConns: 4}, "few idle": {maxIdle: 2}} {
			for how, giveUp := range map[string]bool{"": false, ", some given up": true} {
				t.Run(name+how, func(t *testing.T) {
					server := httptest.NewServer(http.HandlerFunc(echo))
					t.Cleanup(server.Close)
					storm(t, l.start(t, b), server.URL, 32, 15, giveUp)
				})
			}
		}
	})
}

// No GET fails when a backend closes connections at any time.
func TestLoadOfStaleConnections(t *testing.T) {
	each(t, func(t *testing.T, l lane) {
		server := httptest.NewUnstartedServer(http.HandlerFunc(echo))
		server.Config.IdleTimeout = time.Millisecond
		server.Start()
		t.Cleanup(server.Close)
		client := l.start(t, bounds{})
		var all sync.WaitGroup
		for n := range 8 {
			all.Go(func() {
				random := rand.New(rand.NewPCG(uint64(n), 2))
				for i := range 100 {
					// Only GETs: a POST may be lost then.
					if err := oneOfMany(t, client, server.URL, (n*100+i)*35+8, false, random); err != nil {
						t.Error(err)
						return
					}
					if random.IntN(4) == 0 {
						<-time.After(time.Duration(random.IntN(2000)) * time.Microsecond) // about as long as the backend waits
					}
				}
			})
		}
		all.Wait()
	})
}
