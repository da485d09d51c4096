package wire

import (
	"bufio"
	"net/http"
	"net/textproto"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http/httpguts"
)

func TestHeadEnd(t *testing.T) {
	for data, want := range map[string]int{
		"":                    0,
		"\r\n\r":              0,
		"\r\n\r\n":            4,
		"a\r\n\r\n":           5,
		"a\r\n\r\nb\r\n\r\n":  5,
		"a\r\n\r\n\r\n":       5,
		"a\r\r\n\r\n":         6,
		"a\n\nb\r\n\r\n":      8,
		"a\r\n":               0,
		"a\r\nb\r\n":          0,
		"a\r\nb\r\n\r":        0,
		"a\r\nb: c\r\n\r\nde": 11,
	} {
		if got := HeadEnd([]byte(data)); got != want {
			t.Errorf("the head of %q ends at %d, want %d", data, got, want)
		}
	}
}

// everyByte calls a function with each byte.
func everyByte(with func(char byte)) {
	for char := range 256 {
		with(byte(char))
	}
}

// TestNames tries all names of two bytes, and longer names of a few interesting
// characters.
func TestNames(t *testing.T) {
	wantName(t, "")
	everyByte(func(first byte) {
		wantName(t, string([]byte{first}))
		everyByte(func(second byte) { wantName(t, string([]byte{first, second})) })
	})
	const characters = "aZ-1 \x80"
	names := []string{""}
	for range 6 {
		var longer []string
		for _, name := range names {
			for i := range len(characters) {
				longer = append(longer, name+characters[i:i+1])
			}
		}
		for _, name := range longer {
			wantName(t, name)
		}
		names = longer
	}
}

func FuzzName(f *testing.F) {
	for _, name := range []string{"Host", "content-length", "X-REQUEST-ID", "etag", "www-Authenticate", "a b", "--a", "\u017fet-Cookie", "\u212aey"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) { wantName(t, name) })
}

// wantName fails unless a name is valid and canonical in the same cases as in net/http.
func wantName(t *testing.T, name string) {
	t.Helper()
	valid := httpguts.ValidHeaderFieldName(name)
	if got := IsName(name); got != valid {
		t.Errorf("%q is a name: %t, want %t", name, got, valid)
	}
	want := ""
	if valid {
		want = http.CanonicalHeaderKey(name)
	}
	if got := canonicalName(name); got != want {
		t.Errorf("%q is %q, want %q", name, got, want)
	}
}

// TestValues puts every pair of bytes at every place of three words of eight bytes. A
// carry from the other bytes of a word must not change the result.
func TestValues(t *testing.T) {
	for _, filling := range []string{"a", "\x80", "\t"} {
		text := []byte(strings.Repeat(filling, 3*8+2))
		for place := range len(text) - 1 {
			everyByte(func(first byte) {
				everyByte(func(second byte) {
					text[place], text[place+1] = first, second
					if got, want := IsValue(string(text)), httpguts.ValidHeaderFieldValue(string(text)); got != want {
						t.Fatalf("%q is a value: %t, want %t", text, got, want)
					}
				})
			})
			text[place], text[place+1] = filling[0], filling[0]
		}
	}
}

func FuzzValue(f *testing.F) {
	f.Add("")
	f.Add("plain text of more than eight bytes")
	f.Add("\x01\x00\x01\x00\x01\x00\x01\x00")
	f.Add("\x20\x1f\x80\x7f\x7e\x81\xff\x00\x21")
	f.Add("\t\t\t\t\t\t\t\t\x00")
	f.Fuzz(func(t *testing.T, text string) {
		if got, want := IsValue(text), httpguts.ValidHeaderFieldValue(text); got != want {
			t.Errorf("%q is a value: %t, want %t", text, got, want)
		}
		if got, want := trim(text), strings.Trim(text, " \t"); got != want {
			t.Errorf("%q is %q without white space, want %q", text, got, want)
		}
	})
}

// FuzzFields compares Fields with net/http.
func FuzzFields(f *testing.F) {
	for _, lines := range []string{"", "a:b\r\n", "A: b\r\nx: y\r\na:\tc \r\n", "a\r\n", "a:b\r\n c\r\n", "a:b\r", "a:b\n", "a:b\rc\r\n", "a:b\r\n\r\nc:d\r\n", "\r\r\r\r\n"} {
		f.Add(lines)
	}
	f.Fuzz(func(t *testing.T, lines string) {
		got, ok := Fields(lines)
		if !ok {
			if got != nil {
				t.Errorf("%q is not plain, and gives %v", lines, got)
			}
			return
		}
		want, err := textproto.NewReader(bufio.NewReader(strings.NewReader(lines + "\r\n"))).ReadMIMEHeader()
		if err != nil {
			t.Fatalf("%q is plain, of which net/textproto says: %v", lines, err)
		}
		if diff := cmp.Diff(http.Header(want), got); diff != "" {
			t.Errorf("%q (-net/textproto +ours): %s", lines, diff)
		}
	})
}

// Appending to the values of one field must not overwrite those of another.
func TestFieldsApart(t *testing.T) {
	header, ok := Fields("A: 1\r\nB: 2\r\nA: 3\r\nC: 4\r\n")
	if !ok {
		t.Fatal("not plain")
	}
	header.Add("B", "5")
	header.Add("A", "6")
	want := http.Header{"A": {"1", "3", "6"}, "B": {"2", "5"}, "C": {"4"}}
	if diff := cmp.Diff(want, header); diff != "" {
		t.Errorf("(-want +got): %s", diff)
	}
}

// A keyword has only ASCII letters, although strings.EqualFold accepts others.
func TestIsToken(t *testing.T) {
	for value, want := range map[string]bool{
		"close": true, "CLOSE": true, "cLoSe": true, "clos": false, "closed": false, "": false, "clo\u017fe": false, "clo\xff\xfe": false, "clos\x05": false,
	} {
		if got := isToken(value, "close"); got != want {
			t.Errorf("%q is close: %t, want %t", value, got, want)
		}
	}
	if isToken("\u212aeep-alive", "keep-alive") {
		t.Error("the Kelvin sign is taken for a k")
	}
}

// Many lines of one name use no more memory than in net/http.
func TestFieldsOfOneName(t *testing.T) {
	lines := strings.Repeat("a:\r\n", 4000)
	ours := allocated(func() { Fields(lines) })
	theirs := allocated(func() {
		_, _ = textproto.NewReader(bufio.NewReader(strings.NewReader(lines + "\r\n"))).ReadMIMEHeader()
	})
	if ours > theirs*5/4 {
		t.Errorf("%d bytes for %d of lines; net/http takes %d", ours, len(lines), theirs)
	}
}

// allocated returns the number of bytes that a call allocates.
func allocated(call func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
