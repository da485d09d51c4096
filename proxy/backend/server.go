package backend

import (
	"math"
	"net/url"
	"sync/atomic"
	"time"
)

// rampTime is how long a server that comes back gets a growing share of its requests.
const rampTime = 10 * time.Second

// Address is where a server is reached.
type Address struct {
	Scheme string // http or https
	// Host is the host and port that connections are opened to.
	Host string
	// Name is the Host of requests to the server. It differs from Host for a server that
	// was found by DNS.
	Name string
}

// AddressOf returns the address in the URL of a server.
func AddressOf(server *url.URL) Address {
	return Address{Scheme: server.Scheme, Host: server.Host, Name: server.Host}
}

// Server is what is known about one server of one backend. It lives as long as a table
// names it. It is safe for concurrent use.
type Server struct {
	Address Address

	of   *state
	id   string // see ID
	seed uint64 // of id, for rendezvous hashing

	inFlight    atomic.Int64
	results     [resultCount]atomic.Int64
	consecutive atomic.Int32  // failures in a row
	penalty     atomic.Uint64 // recent failures; see decayed
	keeps       atomic.Bool   // it has kept a connection after an answer
	closes      atomic.Int32  // answers in a row after which it closed the connection
	rampFrom    atomic.Int64  // when the server came back, in nanoseconds since the epoch; 0 when it has its full share

	// The state of the server. It is guarded by of.mu; of.version grows with each change.
	down       bool        // it fails its health checks
	ejections  int         // in a row
	ejected    bool        // it gets no requests until readmit
	readmitted time.Time   // when the last ejection ended
	drained    bool        // an operator has taken it out
	leaving    bool        // it closes its connections, so it is probably stopping
	gone       bool        // neither a table nor a lookup names it any more
	leaves     *time.Timer // ends its streams; set when it has left
	ended      bool        // it is gone, and the time for its streams is over
	departed   int64       // what it has added to of.departed

	streams map[*func()]struct{} // what ends its streams; guarded by of.mu
}

func newServer(of *state, address Address) *Server {
	id := address.Scheme + "://" + address.Host
	return &Server{Address: address, of: of, id: id, seed: keyHash(id)}
}

// ID returns the name of the server in metrics, logs and the operators' API: its scheme,
// host and port.
func (s *Server) ID() string { return s.id }

// Backend returns the name of the server's backend.
func (s *Server) Backend() string { return s.of.name }

// InFlight returns the number of requests that the server is answering.
func (s *Server) InFlight() int64 { return s.inFlight.Load() }

// Result is how an attempt at a server ended.
type Result int

// The results. The ones from ResultConnect on are failures of the server.
const (
	ResultAnswered Result = iota // it has answered, whatever the status
	ResultCanceled               // the client or the gateway has given up
	ResultConnect                // no connection
	ResultReset                  // the connection ended before an answer
	ResultTimeout                // no answer in time
	ResultStatus                 // it answered with 502, 503 or 504
	resultCount
)

// Results are all results.
func Results() []Result {
	return []Result{ResultAnswered, ResultCanceled, ResultConnect, ResultReset, ResultTimeout, ResultStatus}
}

// String returns the name of the result in metrics.
func (r Result) String() string {
	return [resultCount]string{"answered", "canceled", "connect", "reset", "timeout", "status"}[r]
}

// IsFailure reports whether the server was the cause.
func (r Result) IsFailure() bool { return r >= ResultConnect }

// Count returns how many attempts have ended with a result.
func (s *Server) Count(r Result) int64 { return s.results[r].Load() }

// attempts returns how many attempts have ended.
func (s *Server) attempts() (total int64) {
	for i := range s.results {
		total += s.results[i].Load()
	}
	return total
}

// Begin is called when a request is sent to the server. End must follow.
func (s *Server) Begin() { s.inFlight.Add(1) }

// End is called when a request, or the stream that it became, has ended.
func (s *Server) End() { s.inFlight.Add(-1) }

// halfLife is the time after which a failure counts half in the choice of a server.
const halfLife = time.Second

// failureLoad is how many requests in flight one recent failure counts for. So a server
// that fails at once does not look idle.
const failureLoad = 4

// decayed returns the recent failures in a penalty, at a time. The upper half is the
// number as a float32, the lower half the time in milliseconds.
func decayed(penalty uint64, now time.Time) float64 {
	if penalty == 0 {
		return 0
	}
	elapsed := time.Duration(uint32(now.UnixMilli())-uint32(penalty)) * time.Millisecond
	if elapsed > 16*halfLife {
		return 0
	}
	return float64(math.Float32frombits(uint32(penalty>>32))) * math.Exp2(-float64(elapsed)/float64(halfLife))
}

// punish adds a failure to the penalty.
func (s *Server) punish(now time.Time) {
	for {
		before := s.penalty.Load()
		failures := float32(decayed(before, now) + 1)
		if s.penalty.CompareAndSwap(before, uint64(math.Float32bits(failures))<<32|uint64(uint32(now.UnixMilli()))) {
			return
		}
	}
}

// load returns what the server has to do, in requests.
func (s *Server) load() float64 {
	load := float64(s.inFlight.Load())
	if penalty := s.penalty.Load(); penalty != 0 {
		failures := decayed(penalty, time.Now())
		if failures == 0 {
			s.penalty.CompareAndSwap(penalty, 0)
		}
		load += failureLoad * failures
	}
	return load
}

// rampShare returns the share of its requests that the server may get, from 0 to 1. It
// grows while the server comes back.
func (s *Server) rampShare() float64 {
	from := s.rampFrom.Load()
	if from == 0 {
		return 1
	}
	elapsed := time.Since(time.Unix(0, from))
	if elapsed >= rampTime || elapsed < 0 {
		s.rampFrom.CompareAndSwap(from, 0)
		return 1
	}
	return max(0.1, float64(elapsed)/float64(rampTime))
}

// mix spreads the bits of a number (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
