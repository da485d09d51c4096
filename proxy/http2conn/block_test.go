package http2conn

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

const testLimit = 4 << 10

// both are a client's encoder, what its blocks mean, and what the server finds in the
// blocks that it gets instead.
type both struct {
	table          table
	client, server *hpack.Decoder
}

func newBoth() *both {
	return &both{client: hpack.NewDecoder(maxTable, nil), server: hpack.NewDecoder(maxTable, nil)}
}

// pass passes on one block of a request. It returns the fields before and after.
func (b *both) pass(block []byte) (sent, got []hpack.HeaderField, v verdict, ok bool) {
	sent, err := b.client.DecodeFull(block)
	if err != nil {
		return nil, nil, badBlock, false
	}
	instead, v := b.table.read(slices.Clone(block), testLimit, true)
	switch v {
	case badBlock:
		return sent, nil, v, false
	case passBlock:
		instead = block
	case changeBlock, cutBlock:
	}
	got, err = b.server.DecodeFull(instead)
	return sent, got, v, err == nil
}

// isRefusedByServer is what net/http's server would say of a header.
func isRefusedByServer(fields []hpack.HeaderField) bool {
	te := 0
	for _, f := range fields {
		switch f.Name {
		case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
			return true
		case "te":
			if te++; te > 1 || f.Value != "" && f.Value != "trailers" {
				return true
			}
		}
	}
	return false
}

func listSize(fields []hpack.HeaderField) (size int) {
	for _, f := range fields {
		size += int(f.Size())
	}
	return size
}

// check checks one block.
func (b *both) check(t *testing.T, block []byte) (goOn bool) {
	t.Helper()
	sent, got, v, ok := b.pass(block)
	if !ok {
		return false
	}
	marker := ""
	if n := len(got); n > 0 && got[n-1].Name == strings.ToLower(RefuseHeader) && !slices.ContainsFunc(sent, func(f hpack.HeaderField) bool { return f.Name == got[n-1].Name }) {
		marker = got[n-1].Value
	}
	size := listSize(sent)
	switch {
	case isRefusedByServer(got):
		t.Errorf("the server refuses %v, in place of %v", got, sent)
	case listSize(got) > testLimit:
		t.Errorf("the server gets %d bytes", listSize(got))
	case isRefusedByServer(sent) && marker == "":
		t.Errorf("%v is not marked", sent)
	case size > testLimit && marker == "":
		t.Errorf("%d bytes are not marked", size)
	case size < testLimit/8 && marker == "431":
		t.Errorf("%d bytes are marked as too large", size)
	case (v == cutBlock) != (marker == "431"):
		t.Errorf("verdict %d, marker %q", v, marker)
	case marker == "" && !slices.Equal(sent, got):
		t.Errorf("%v became %v", sent, got)
	}
	return v != cutBlock
}

// TestBlock passes blocks of one connection, and checks what the server sees of each.
func TestBlock(t *testing.T) {
	t.Parallel()
	b := newBoth()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for i, c := range []struct {
		fields []string
		want   string
	}{
		{[]string{":path", "/a", "x", "y"}, "[:path=/a x=y]"},
		{[]string{":path", "/a", "connection", "close"}, "[:path=/a connectio_=close gatehouse-refuse=400]"},
		{[]string{":path", "/a", "connection", "close"}, "[:path=/a gatehouse-refuse=400]"}, // from the table
		{[]string{":path", "/a", "connection", "close, x"}, "[:path=/a connectio_=close, x gatehouse-refuse=400]"},
		{[]string{":path", "/a", "te", "trailers"}, "[:path=/a te=trailers]"},
		{[]string{":path", "/a", "te", "gzip"}, "[:path=/a t_=gzip gatehouse-refuse=400]"},
		{[]string{":path", "/a", "te", "trailers"}, "[:path=/a te=trailers]"},
		{[]string{":path", "/a", "te", ""}, "[:path=/a te=]"},
		{[]string{":path", "/a", "te", "trailers", "te", "trailers"}, "[:path=/a te=trailers gatehouse-refuse=400]"},
		{[]string{":path", "/a", "transfer-encoding", "chunked"}, "[:path=/a transfer-encodin_=chunked gatehouse-refuse=400]"},
		{[]string{":path", "/a", "transfer-encoding", ""}, "[:path=/a gatehouse-refuse=400]"}, // from the static table
		{[]string{":path", "/a", "upgrade", "websocket", "keep-alive", "5", "proxy-connection", "x"}, "[:path=/a upgrad_=websocket keep-aliv_=5 proxy-connectio_=x gatehouse-refuse=400]"},
		{[]string{":path", "/b", "x", "y"}, "[:path=/b x=y]"},
		{[]string{":method", "PUT", ":scheme", "http", ":path", "/b", "a", "b", "z", strings.Repeat("a", testLimit), "x", "y"}, "[:method=PUT :scheme=http :path=/b a=b gatehouse-refuse=431]"},
	} {
		block.Reset()
		for f := range slices.Chunk(c.fields, 2) {
			_ = encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		_, got, _, ok := b.pass(block.Bytes())
		var texts []string
		for _, f := range got {
			texts = append(texts, f.Name+"="+f.Value)
		}
		if !ok || fmt.Sprint(texts) != c.want {
			t.Errorf("block %d: %.200q became %.200q, want %.200q", i, c.fields, texts, c.want)
		}
	}
}

// TestTrailers checks that trailers are not changed, and that the table is known after
// them.
func TestTrailers(t *testing.T) {
	t.Parallel()
	b := newBoth()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	_ = encoder.WriteField(hpack.HeaderField{Name: "connection", Value: "close"})
	if instead, v := b.table.read(block.Bytes(), testLimit, false); v != passBlock {
		t.Errorf("trailers became %q", instead)
	}
	_, _ = b.client.DecodeFull(block.Bytes())
	_, _ = b.server.DecodeFull(block.Bytes())
	block.Reset()
	_ = encoder.WriteField(hpack.HeaderField{Name: "connection", Value: "close"})
	b.check(t, block.Bytes())
}

// TestReadAllocatesNothing checks the cost of blocks that stay as they are.
func TestReadAllocatesNothing(t *testing.T) {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range ordinary {
		_ = encoder.WriteField(f)
	}
	var known table
	if n := testing.AllocsPerRun(100, func() { _, _ = known.read(block.Bytes(), 128<<10, true) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// ordinary is the header of a browser's request.
var ordinary = []hpack.HeaderField{
	{Name: ":method", Value: "GET"},
	{Name: ":scheme", Value: "https"},
	{Name: ":authority", Value: "shop.example.com"},
	{Name: ":path", Value: "/api/v1/orders/17?x=y"},
	{Name: "user-agent", Value: "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"},
	{Name: "accept", Value: "application/json"},
	{Name: "accept-encoding", Value: "gzip, deflate, br, zstd"},
	{Name: "te", Value: "trailers"},
	{Name: "authorization", Value: "Bearer " + strings.Repeat("abc.", 60)},
}

// BenchmarkRead measures what a request costs more: the first of a connection, and a later
// one.
func BenchmarkRead(b *testing.B) {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, name := range []string{"first", "later"} {
		block.Reset()
		for _, f := range ordinary {
			_ = encoder.WriteField(f)
		}
		b.Run(name, func(b *testing.B) {
			var known table
			for range ordinary {
				known.insert(entry{nameSize: 10, valueSize: 10})
			}
			b.ReportAllocs()
			for b.Loop() {
				_, _ = known.read(block.Bytes(), 128<<10, true)
			}
		})
	}
}

// FuzzBlock passes arbitrary bytes as blocks of one connection; zeros divide them.
func FuzzBlock(f *testing.F) {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for range 2 {
		for _, one := range ordinary {
			_ = encoder.WriteField(one)
		}
		_ = encoder.WriteField(hpack.HeaderField{Name: "connection", Value: "close"})
		block.WriteString("\x00\x00\x00")
	}
	f.Add(block.Bytes())
	f.Add([]byte("\x20\x40\x02te\x04gzip\x00\x00\x00\xbe\x7e\x08trailers\x00\x00\x00\xbe\xbf"))
	f.Add([]byte("\x3f\xe1\x1f\x79\x01a\x00\x00\x00\xb9\xbe\x00\x00\x00\x1f\x2a\x01a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b := newBoth()
		for one := range bytes.SplitSeq(data, []byte("\x00\x00\x00")) {
			if !b.check(t, one) {
				return
			}
		}
	})
}

// FuzzEncoder passes blocks that a real encoder makes of arbitrary fields.
func FuzzEncoder(f *testing.F) {
	f.Add([]byte("\x01\x05\x02\x03\x10\x07\x08\xff\x02\x05"))
	f.Add([]byte("\x05\x41\x05\x42\xff\x06\x41\x06\x41\xff\x05\x41\xfe\x09\x06\x43\xff"))
	names := []string{":path", "x", "connection", "keep-alive", "proxy-connection", "te", "te", "upgrade", "transfer-encoding", "cookie", "a-long-name-of-a-field"}
	values := []string{"", "trailers", "gzip", "close", "x=y", strings.Repeat("e", 700), strings.Repeat("~", 1500), strings.Repeat("abc", 1400)}
	f.Fuzz(func(t *testing.T, data []byte) {
		var block bytes.Buffer
		encoder := hpack.NewEncoder(&block)
		b := newBoth()
		for i := 0; i+1 < len(data); i += 2 {
			switch data[i] {
			case 0xff:
				if !b.check(t, block.Bytes()) {
					return
				}
				block.Reset()
				i--
			case 0xfe:
				if block.Len() == 0 {
					encoder.SetMaxDynamicTableSize(uint32(data[i+1]) << 4)
				}
			default:
				_ = encoder.WriteField(hpack.HeaderField{
					Name: names[int(data[i])%len(names)], Value: values[int(data[i+1])%len(values)], Sensitive: data[i]&0x40 != 0,
				})
			}
		}
		b.check(t, block.Bytes())
	})
}
