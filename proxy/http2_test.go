package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/testkit"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	grpchealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const h2cTable = `
users: off
defaults: {auth: none, protocol: h2c}
routes:
  - {name: open, prefix: /, backend: "${BACKEND}"}
  - {name: strict, prefix: /strict, backend: "${BACKEND}", auth: strict}
  - {name: small, prefix: /small, backend: "${BACKEND}", max_body: 4}
`

func TestHTTP2OnEitherSide(t *testing.T) {
	t.Parallel()
	protocol := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		w.Header().Set("X-Proto", r.Proto)
		mirror(w, r)
		w.Header().Set("X-Sum", "42")
	}
	for name, k := range map[string]*kit{
		"h2 without TLS to h1":  startH2C(t, openTable, testkit.Serve(t, protocol)),
		"h2 without TLS to h2c": startH2C(t, h2cTable, testkit.ServeH2C(t, protocol)),
		"h2 to h1":              startTLS(t, openTable, testkit.Serve(t, protocol)),
		"h2 to h2c":             startTLS(t, h2cTable, testkit.ServeH2C(t, protocol)),
		"h1 to h2c":             startBefore(t, h2cTable, testkit.ServeH2C(t, protocol)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := k.do("POST", "/a%20%7eb?c;d=%zz", strings.NewReader("the body"), "Te: trailers", "X-User-Id: evil", "X_user_id: evil")
			got := res.seen(t)
			if got.URI != "/a%20%7eb?c;d=%zz" || got.Body != "the body" || got.Header.Get("X-Forwarded-Proto") != strings.SplitN(k.url, ":", 2)[0] {
				t.Errorf("the backend saw %+v", got)
			}
			for _, values := range got.Header {
				if strings.Contains(strings.Join(values, " "), "evil") {
					t.Errorf("the backend saw %v", got.Header)
				}
			}
			wantFront, wantBack := 1, "HTTP/1.1"
			if strings.HasPrefix(name, "h2") {
				wantFront = 2
			}
			if strings.HasSuffix(name, "h2c") {
				wantBack = "HTTP/2.0"
			}
			if res.ProtoMajor != wantFront || res.Header.Get("X-Proto") != wantBack {
				t.Errorf("spoke HTTP/%d to %s", res.ProtoMajor, res.Header.Get("X-Proto"))
			}
			if res.Trailer.Get("X-Sum") != "42" {
				t.Errorf("trailers %v", res.Trailer)
			}
			res.wantSealed(t, name)
			if len(res.header("Connection")) != 0 {
				t.Errorf("Connection = %q", res.header("Connection"))
			}
		})
	}
}

func TestHTTP2Streams(t *testing.T) {
	t.Parallel()
	backend := testkit.ServeH2C(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/small" {
			mirror(w, r)
			return
		}
		echo(w, r)
	})
	eachHTTP2(t, h2cTable, backend, testHTTP2Streams)
}

func testHTTP2Streams(t *testing.T, k *kit) {
	source, sink := io.Pipe()
	res := k.open("POST", "/", source)
	for i := range 5 {
		piece := fmt.Sprintf("piece %d", i)
		if _, err := io.WriteString(sink, piece); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(piece))
		if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != piece {
			t.Fatalf("echo %q, %v", got, err)
		}
	}
	sink.Close()
	if rest, err := io.ReadAll(res.Body); err != nil || len(rest) != 0 {
		t.Errorf("rest %q, %v", rest, err)
	}
	// The same limits apply.
	k.do("POST", "/small", io.MultiReader(strings.NewReader("abc"), strings.NewReader("de"))).wantDetail(t, 413, "Request body is too large.")
}

// rawHTTP2 sends a request with the given pseudo-headers, which a client library would
// refuse. It returns the status, or the reset as an error.
func rawHTTP2(t *testing.T, k *kit, path string, headers ...string) (string, error) {
	t.Helper()
	conn := dialHTTP2(t, k.url)
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_, _ = io.WriteString(conn, http2.ClientPreface)
	_ = framer.WriteSettings()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	fields := append([]string{":method", "GET", ":scheme", "https", ":authority", "x", ":path", path}, headers...)
	for i := 0; i < len(fields); i += 2 {
		_ = encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return "", err
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			return frame.PseudoValue("status"), nil
		case *http2.RSTStreamFrame:
			return "", fmt.Errorf("reset: %v", frame.ErrCode)
		}
	}
}

// TestHTTP2Targets sends targets that only HTTP/2 can express. A target with spaces would
// become a different request line in HTTP/1.1.
func TestHTTP2Targets(t *testing.T) {
	t.Parallel()
	eachHTTP2(t, openTable, testkit.Serve(t, mirror), testHTTP2Targets)
}

func testHTTP2Targets(t *testing.T, k *kit) {
	if got, err := rawHTTP2(t, k, "/a?b"); got != "200" {
		t.Fatalf("status %q, %v", got, err)
	}
	for _, path := range []string{"/a?b HTTP/1.1", "/a b", "/a?b\tc", "/../a", "//a", "*", "a", "x://y/a", "/a#b", "/a\\b"} {
		if got, err := rawHTTP2(t, k, path); err == nil && got != "400" {
			t.Errorf("%q: status %s", path, got)
		}
	}
	for _, header := range []string{"connection", "upgrade", "transfer-encoding"} {
		if got, err := rawHTTP2(t, k, "/", header, "x"); err == nil && got != "400" {
			t.Errorf("%s: status %s", header, got)
		}
	}
}

// shoutServer is a gRPC service without generated code.
var shoutService = grpc.ServiceDesc{
	ServiceName: "test.Shout",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Unary",
		Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			in := new(wrapperspb.StringValue)
			if err := decode(in); err != nil {
				return nil, err
			}
			if in.Value == "fail" {
				_ = grpc.SetTrailer(ctx, metadata.Pairs("x-why", "asked"))
				return nil, status.Error(codes.FailedPrecondition, "as asked: 100% ü")
			}
			got, _ := metadata.FromIncomingContext(ctx)
			_ = grpc.SetHeader(ctx, metadata.Pairs("x-seen-user", strings.Join(got.Get("x-user-id"), ",")))
			return wrapperspb.String(strings.ToUpper(in.Value)), nil
		},
	}},
	Streams: []grpc.StreamDesc{
		{StreamName: "Server", ServerStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
			in := new(wrapperspb.StringValue)
			if err := stream.RecvMsg(in); err != nil {
				return err
			}
			for i := range 3 {
				if err := stream.SendMsg(wrapperspb.String(fmt.Sprint(in.Value, i))); err != nil {
					return err
				}
			}
			stream.SetTrailer(metadata.Pairs("x-sum", "3"))
			return nil
		}},
		{StreamName: "Both", ServerStreams: true, ClientStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
			for {
				in := new(wrapperspb.StringValue)
				if err := stream.RecvMsg(in); errors.Is(err, io.EOF) {
					return nil
				} else if err != nil {
					return err
				}
				if err := stream.SendMsg(wrapperspb.String(strings.ToUpper(in.Value))); err != nil {
					return err
				}
			}
		}},
	},
}

func TestGRPC(t *testing.T) {
	t.Parallel()
	listener := testkit.Listen(t)
	server := grpc.NewServer()
	server.RegisterService(&shoutService, new(any))
	healthpb.RegisterHealthServer(server, grpchealth.NewServer())
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	eachHTTP2(t, `
users: off
routes:
  - {name: shout, prefix: /test.Shout, backend: "${BACKEND}", protocol: h2c, compress: true}
  - {name: health, prefix: /grpc.health.v1.Health, backend: "${BACKEND}", protocol: h2c, auth: none, compress: true}
`, "http://"+listener.Addr().String(), testGRPC)
}

func testGRPC(t *testing.T, k *kit) {
	security := insecure.NewCredentials()
	if k.server != nil {
		roots := x509.NewCertPool()
		roots.AddCert(k.server.Certificate())
		security = credentials.NewClientTLSFromCert(roots, "example.com")
	}
	_, address, _ := strings.Cut(k.url, "://")
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(security))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ctx := testkit.Context(t)
	member := metadata.AppendToOutgoingContext(ctx, "authorization", k.member(), "x-user-id", "evil")

	checked, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	if err != nil || checked.Status != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health: %v, %v", checked, err)
	}
	t.Run("unary", func(t *testing.T) { checkUnary(ctx, member, t, conn) })
	t.Run("server stream", func(t *testing.T) { checkServerStream(member, t, conn) })
	t.Run("both streams", func(t *testing.T) { checkBothStreams(member, t, conn) })
}

func checkUnary(ctx, member context.Context, t *testing.T, conn *grpc.ClientConn) {
	var header, trailer metadata.MD
	out := new(wrapperspb.StringValue)
	err := conn.Invoke(member, "/test.Shout/Unary", wrapperspb.String("hello"), out, grpc.Header(&header))
	if err != nil || out.Value != "HELLO" {
		t.Errorf("%q, %v", out.Value, err)
	}
	if got := header.Get("x-seen-user"); len(got) != 1 || got[0] != testUser.String() {
		t.Errorf("the server saw x-user-id %q", got)
	}
	if got := header.Get("x-request-id"); len(got) != 1 {
		t.Errorf("x-request-id %q", got)
	}
	err = conn.Invoke(member, "/test.Shout/Unary", wrapperspb.String("fail"), out, grpc.Trailer(&trailer))
	if got := status.Convert(err); got.Code() != codes.FailedPrecondition || got.Message() != "as asked: 100% ü" || len(trailer.Get("x-why")) != 1 {
		t.Errorf("%v, trailers %v", err, trailer)
	}
	if err = conn.Invoke(member, "/test.Shout/Missing", wrapperspb.String(""), out); status.Code(err) != codes.Unimplemented {
		t.Errorf("missing method: %v", err)
	}
	if err = conn.Invoke(ctx, "/test.Shout/Unary", wrapperspb.String("hello"), out); status.Code(err) != codes.Unauthenticated {
		t.Errorf("without a token: %v", err)
	}
}

func checkServerStream(ctx context.Context, t *testing.T, conn *grpc.ClientConn) {
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/test.Shout/Server")
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.SendMsg(wrapperspb.String("n"))
	_ = stream.CloseSend()
	out := new(wrapperspb.StringValue)
	for i := range 3 {
		if err := stream.RecvMsg(out); err != nil || out.Value != fmt.Sprint("n", i) {
			t.Fatalf("%q, %v", out.Value, err)
		}
	}
	if err := stream.RecvMsg(out); !errors.Is(err, io.EOF) || len(stream.Trailer().Get("x-sum")) != 1 {
		t.Errorf("%v, trailers %v", err, stream.Trailer())
	}
}

func checkBothStreams(ctx context.Context, t *testing.T, conn *grpc.ClientConn) {
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/test.Shout/Both")
	if err != nil {
		t.Fatal(err)
	}
	out := new(wrapperspb.StringValue)
	for _, word := range []string{"one", "two", "three"} {
		if err := stream.SendMsg(wrapperspb.String(word)); err != nil {
			t.Fatal(err)
		}
		if err := stream.RecvMsg(out); err != nil || out.Value != strings.ToUpper(word) {
			t.Fatalf("%q, %v", out.Value, err)
		}
	}
	_ = stream.CloseSend()
	if err := stream.RecvMsg(out); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

// TestBackendOverTLS uses a backend with a certificate of its own authority. It also checks
// that a backend with an untrusted certificate gets no requests.
func TestBackendOverTLS(t *testing.T) {
	t.Parallel()
	backend := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Proto, " with ", len(r.TLS.PeerCertificates))
	}))
	backend.EnableHTTP2 = true
	backend.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	backend.Config.ErrorLog = testkit.DiscardLog()
	backend.StartTLS()
	t.Cleanup(backend.Close)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	mine, key := testkit.SelfSigned(t, time.Now().Add(time.Hour))
	testkit.WriteFile(t, authority, testkit.CertificatePEM(backend.Certificate()))
	testkit.WriteFile(t, authority+".mine", mine)
	testkit.WriteFile(t, authority+".key", key)
	k := startBefore(t, `
users: off
defaults: {auth: none}
routes:
  - {name: trusted, prefix: /trusted, backend: "${BACKEND}", tls: {ca: `+authority+`}}
  - {name: http1, prefix: /http1, backend: "${BACKEND}", protocol: http1, tls: {ca: `+authority+`}}
  - {name: named, prefix: /named, backend: "${BACKEND}", tls: {ca: `+authority+`, server_name: other.test}}
  - {name: mutual, prefix: /mutual, backend: "${BACKEND}", tls: {ca: `+authority+`, cert: `+authority+`.mine, key: `+authority+`.key}}
  - {name: unknown, prefix: /unknown, backend: "${BACKEND}"}
`, backend.URL)
	if got := k.get("/trusted").body; got != "HTTP/2.0 with 0" {
		t.Errorf("auto spoke %q", got)
	}
	if got := k.get("/http1").body; got != "HTTP/1.1 with 0" {
		t.Errorf("http1 spoke %q", got)
	}
	if got := k.get("/mutual").body; got != "HTTP/2.0 with 1" {
		t.Errorf("with a certificate spoke %q", got)
	}
	for _, path := range []string{"/named", "/unknown"} {
		k.get(path).wantDetail(t, 502, "An unexpected error occurred communicating with upstream service.")
	}
}
