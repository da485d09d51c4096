package backend

import (
	"math/rand/v2"
	"slices"
)

// snapshot has the servers of a Backend that may get requests. It never changes.
type snapshot struct {
	version  uint64
	usable   []member
	panicked bool // no server is healthy, so all get requests

	uniform  bool     // all have the same weight
	alias    []alias  // picks a member by weight, for p2c
	schedule []uint16 // members in the order in which round robin takes them
	tags     *tags    // of all servers; nil without `sticky`
}

// member is a server of a Backend with its weight.
type member struct {
	server *Server
	weight int
}

// newSnapshot returns the snapshot of members whose state was read at a version. The
// caller holds the lock of their state.
func newSnapshot(version uint64, all []member, roundRobin bool) *snapshot {
	s := &snapshot{version: version}
	pick := func(may func(*Server) bool) []member {
		return slices.DeleteFunc(slices.Clone(all), func(m member) bool { return m.weight == 0 || !may(m.server) })
	}
	s.usable = pick(func(s *Server) bool { return !s.drained && !s.down && !s.ejected && !s.leaving })
	if len(s.usable) == 0 {
		s.usable = pick(func(s *Server) bool { return !s.drained && !s.down && !s.ejected })
	}
	if len(s.usable) == 0 {
		s.usable = pick(func(s *Server) bool { return !s.drained })
		s.panicked = len(s.usable) > 0
	}
	if roundRobin {
		s.schedule = newSchedule(s.usable)
	}
	s.alias = newAlias(s.usable)
	s.uniform = !slices.ContainsFunc(s.usable, func(m member) bool { return m.weight != s.usable[0].weight })
	return s
}

// alias is a row of a table that picks a member by its weight in constant time (Vose's
// alias method).
type alias struct {
	keep  uint32 // the row's own member is picked below this part of 2^32
	other uint16
}

func newAlias(members []member) []alias {
	rows, sum := make([]alias, len(members)), 0
	for _, m := range members {
		sum += m.weight
	}
	// Each row has the weight sum, so that all numbers are whole.
	left := make([]int, len(members))
	var small, large []int
	for i, m := range members {
		left[i] = m.weight * len(members)
		if left[i] < sum {
			small = append(small, i)
		} else {
			large = append(large, i)
		}
	}
	for len(small) > 0 && len(large) > 0 {
		i, j := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		rows[i] = alias{keep: uint32(float64(left[i]) / float64(sum) * (1 << 32)), other: uint16(j)}
		if left[j] -= sum - left[i]; left[j] < sum {
			large = large[:len(large)-1]
			small = append(small, j)
		}
	}
	for _, i := range slices.Concat(small, large) { // these have exactly the weight sum
		rows[i] = alias{keep: 1<<32 - 1, other: uint16(i)}
	}
	return rows
}

// sample returns a member by chance, by weight.
func (s *snapshot) sample() int {
	random := rand.Uint64()
	row := int(random >> 32 * uint64(len(s.alias)) >> 32)
	if a := s.alias[row]; random&(1<<32-1) > uint64(a.keep) {
		return int(a.other)
	}
	return row
}

// sampleTwo returns two different members by chance, by weight. There are at least two.
func (s *snapshot) sampleTwo() (i, j int) {
	if s.uniform {
		random, members := rand.Uint64(), uint64(len(s.usable))
		i, j = int(random>>32*members>>32), int(uint64(uint32(random))*(members-1)>>32)
		if j >= i {
			j++
		}
		return i, j
	}
	i, j = s.sample(), s.sample()
	for try := 0; j == i && try < 4; try++ {
		j = s.sample()
	}
	if j == i {
		j = (i + 1) % len(s.usable)
	}
	return i, j
}

// maxSchedule bounds the length of a schedule. Weights whose sum is larger are rounded.
const maxSchedule = 1 << 14

// newSchedule returns the order of smooth weighted round robin: in every len(schedule)
// picks each member has exactly its share, spread evenly.
func newSchedule(members []member) []uint16 {
	if len(members) == 0 {
		return nil
	}
	weights, divisor, sum := make([]int, len(members)), 0, 0
	for i, m := range members {
		weights[i] = m.weight
		divisor = gcd(divisor, m.weight)
	}
	for i := range weights {
		weights[i] /= divisor
		sum += weights[i]
	}
	if limit := max(maxSchedule, len(members)); sum > limit {
		rounded := 0
		for i := range weights {
			weights[i] = max(1, weights[i]*limit/sum)
			rounded += weights[i]
		}
		sum = rounded
	}
	schedule, due := make([]uint16, sum), make([]int, len(members))
	for at := range schedule {
		next := 0
		for i, weight := range weights {
			if due[i] += weight; due[i] > due[next] {
				next = i
			}
		}
		due[next] -= sum
		schedule[at] = uint16(next)
	}
	return schedule
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
