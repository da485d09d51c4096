// This file reads sizes: a number of bytes with a unit.

package value

import (
	"math"
	"strconv"
	"strings"

	"gatehouse/config/problem"
)

// Size is a number of bytes, written 512, 64KiB, 100MiB, 2GiB (powers of
// 1024) or 64kB, 100MB, 2GB (powers of 1000).
type Size int64

// Unit is a suffix of a size, with its number of bytes.
type Unit struct {
	Name  string
	Bytes int64
}

// Units returns the units of Size, the largest first.
func Units() []Unit {
	return []Unit{
		{"TiB", 1 << 40},
		{"TB", 1e12},
		{"GiB", 1 << 30},
		{"GB", 1e9},
		{"MiB", 1 << 20},
		{"MB", 1e6},
		{"KiB", 1 << 10},
		{"kB", 1e3},
		{"B", 1},
	}
}

// String returns the size in the largest unit that divides it.
func (s Size) String() string {
	for _, u := range Units() {
		if s != 0 && int64(s)%u.Bytes == 0 && u.Bytes > 1 {
			return strconv.FormatInt(int64(s)/u.Bytes, 10) + u.Name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// ParseSize parses a whole number of bytes, with or without a unit.
func ParseSize(text string) (Size, *problem.Fault) {
	const hint = "write whole bytes, or a unit: KiB, MiB, GiB (1024) or kB, MB, GB (1000)"
	end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(text)
	}
	digits, suffix := text[:end], text[end:]
	switch {
	case strings.HasPrefix(text, "-"):
		return 0, &problem.Fault{Reason: "a size cannot be negative", Hint: "0 means no bound"}
	case digits == "", len(digits) > 1 && digits[0] == '0', strings.HasPrefix(suffix, "."):
		return 0, &problem.Fault{Reason: "not a size", Hint: hint}
	}
	factor, f := parseUnit(digits, suffix, hint)
	if f != nil {
		return 0, f
	}
	count, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || count > math.MaxInt64/factor {
		return 0, &problem.Fault{Reason: "the size is too large"}
	}
	return Size(count * factor), nil
}

// parseUnit returns the bytes of a unit. A unit in another spelling is refused,
// with the right spelling: the M in `100M` is ambiguous.
func parseUnit(digits, suffix, hint string) (int64, *problem.Fault) {
	if suffix == "" {
		return 1, nil
	}
	meant := strings.ToLower(strings.TrimSpace(suffix))
	for _, u := range Units() {
		if suffix == u.Name {
			return u.Bytes, nil
		}
		name := strings.ToLower(u.Name)
		if meant == name || meant == strings.TrimSuffix(name, "b") || u.Bytes > 1 && meant == name[:1] {
			return 0, &problem.Fault{Reason: "unknown unit", Write: digits + u.Name}
		}
	}
	return 0, &problem.Fault{Reason: "unknown unit", Hint: hint}
}
