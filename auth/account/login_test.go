package account

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/config"
	"gatehouse/store"
)

func TestLogin(t *testing.T) {
	authtest.EachStore(t, func(t *testing.T, users store.Store) {
		f := newEndpointServer(t, users, nil)
		id := uuid.MustParse("0d9ff6c2-8d8d-4a4e-9d53-6f3b8a1c2e10")
		name := `Ann "the Boss" <Lee>`
		authtest.AddUser(t, users, store.User{
			ID: id, Email: "ann@example.com", Active: true, HashedPassword: hashOfCorrectHorse,
			CompanyID: &authtest.Acme, FullName: &name, Role: "admin",
		})
		newcomer := authtest.AddUser(t, users, store.User{Email: "new@example.com", Active: true, HashedPassword: hashOfCorrectHorse})

		got := f.send(t, "POST", "/login", "", `{"email":" Ann@Example.COM ","password":"correct horse","remember":true}`)
		token := got.field(t, "access_token")
		got.expect(t, 200, `{"access_token":"`+token+`","token_type":"bearer","user_id":"0d9ff6c2-8d8d-4a4e-9d53-6f3b8a1c2e10",`+
			`"email":"ann@example.com","full_name":"Ann \"the Boss\" \u003cLee\u003e","role":"admin","company_id":"`+authtest.Acme.String()+`"}`)
		if who := got.decision.Identity; got.decision.Refusal != nil || who == nil || who.UserID != id.String() || who.CompanyID != authtest.Acme.String() {
			t.Errorf("left for the log: %+v", got.decision)
		}
		header := http.Header{"Authorization": {"Bearer " + token}}
		if _, refusal := f.gate.Decide(t.Context(), header, auth.Rule{Policy: config.PolicyStrict}); refusal != nil {
			t.Errorf("the token: %v", refusal)
		}
		if row, err := users.UserByID(t.Context(), id); err != nil || row.LastLogin == nil || !row.LastLogin.Equal(authtest.Noon) {
			t.Errorf("last_login = %v, %v", row.LastLogin, err)
		}

		got = f.send(t, "POST", "/login", "", `{"email":"new@example.com","password":"correct horse"}`)
		got.expect(t, 200, `{"access_token":"`+got.field(t, "access_token")+`","token_type":"bearer","user_id":"`+newcomer.ID.String()+`",`+
			`"email":"new@example.com","full_name":null,"role":"user","company_id":null}`)
		if want := []string{LoginSuccess, LoginSuccess}; !slices.Equal(f.logins.results, want) {
			t.Errorf("logins = %v", f.logins.results)
		}
	})
}

// A refused login does not show its reason, neither by its answer nor by its
// time: bcrypt runs once for every reason.
func TestLoginRefused(t *testing.T) {
	authtest.EachStore(t, func(t *testing.T, users store.Store) {
		f := newEndpointServer(t, users, nil)
		authtest.AddUser(t, users, store.User{Email: "ann@example.com", Active: true, HashedPassword: hashOfCorrectHorse})
		authtest.AddUser(t, users, store.User{Email: "retired@example.com", HashedPassword: hashOfCorrectHorse})
		authtest.AddUser(t, users, store.User{Email: "locked@example.com", Active: true, HashedPassword: "!"})
		var answers []reply
		for _, test := range []struct{ email, password, result string }{
			{"nobody@example.com", "correct horse", LoginUnknownUser},
			{"ann@example.com", "wrong horse", LoginWrongPassword},
			{"retired@example.com", "correct horse", LoginInactive},
			{"retired@example.com", "wrong horse", LoginInactive},
			{"locked@example.com", "correct horse", LoginWrongPassword},
		} {
			before := *f.comparisons
			got := f.send(t, "POST", "/login", "", `{"email":"`+test.email+`","password":"`+test.password+`"}`)
			got.expectDetail(t, 401, "Incorrect email or password")
			if challenge := got.header.Get("WWW-Authenticate"); challenge != "Bearer" {
				t.Errorf("WWW-Authenticate = %q", challenge)
			}
			if ran := *f.comparisons - before; ran != 1 {
				t.Errorf("%s: bcrypt ran %d times, want once", test.email, ran)
			}
			if last := f.logins.results[len(f.logins.results)-1]; last != test.result {
				t.Errorf("%s: counted as %s, want %s", test.email, last, test.result)
			}
			got.header.Del("Date")
			answers = append(answers, got)
		}
		for _, answer := range answers[1:] {
			if !maps.EqualFunc(answer.header, answers[0].header, slices.Equal) {
				t.Errorf("headers tell: %v, %v", answer.header, answers[0].header)
			}
		}
		if row, err := users.UserByEmail(t.Context(), "ann@example.com"); err != nil || row.LastLogin != nil {
			t.Errorf("last_login = %v, %v", row.LastLogin, err)
		}
	})
}

func TestLoginInvalid(t *testing.T) {
	f := newEndpointServer(t, authtest.OpenSQLite(t), nil)
	const (
		email    = `{"type":"value_error","loc":["body","email"],"msg":"value is not a valid email address: want a name, an @-sign and a domain with a dot"}`
		short    = `{"type":"string_too_short","loc":["body","password"],"msg":"String should have at least 6 characters"}`
		noEmail  = `{"type":"missing","loc":["body","email"],"msg":"Field required"}`
		noSecret = `{"type":"missing","loc":["body","password"],"msg":"Field required"}`
		noBody   = `{"type":"missing","loc":["body"],"msg":"Field required"}`
		object   = `{"type":"model_attributes_type","loc":["body"],"msg":"Input should be a valid dictionary or object to extract fields from"}`
	)
	at := func(offset string) string {
		return `{"type":"json_invalid","loc":["body",` + offset + `],"msg":"JSON decode error"}`
	}
	text := func(field string) string {
		return `{"type":"string_type","loc":["body","` + field + `"],"msg":"Input should be a valid string"}`
	}
	for _, test := range []struct{ contentType, body, want string }{
		{"", "", noBody},
		{"application/json", "", noBody},
		{"application/json", " null ", noBody},
		{"application/json", " ", at("1")},
		{"application/json", "{", at("1")},
		{"application/json", `{"email":"a@example.com" "password":"secret"}`, at("26")},
		{"application/json", `{"email":"a@example.com",}`, at("26")},
		{"application/json", `{'email':'a@example.com'}`, at("2")},
		{"application/json", `{} {}`, at("4")},
		{"application/json", `{}x`, at("3")},
		{"application/json", "{\"email\":\"\xff\"}", at("10")},
		{"application/json", strings.Repeat("[", 60_000), at("10001")},
		{"application/json", `{"email":"a@example.com","email":"b@example.com","password":"secret"}`, at("32")},
		{"application/json", `{"email":"a@example.com","em\u0061il":"b@example.com","password":"secret"}`, at("37")},
		{"application/json", `[]`, object},
		{"application/json", `"email"`, object},
		{"application/json", `1`, object},
		{"application/x-www-form-urlencoded", `email=a@example.com`, object},
		{"text/plain", `{"email":"a@example.com","password":"secret"}`, object},
		{"application/jsonp", `{}`, object},
		{"nonsense/;;", `{}`, object},
		{"application/json; charset=utf-8", `{}`, noEmail + "," + noSecret},
		{"Application/JSON", `{}`, noEmail + "," + noSecret},
		{"application/vnd.api+json", `{}`, noEmail + "," + noSecret},
		{"", `{}`, noEmail + "," + noSecret},
		{"application/json", `{"EMAIL":"a@example.com","Password":"secret"}`, noEmail + "," + noSecret},
		{"application/json", `{"email":null,"password":7}`, text("email") + "," + text("password")},
		{"application/json", `{"email":{"a":[1]},"password":["secret"]}`, text("email") + "," + text("password")},
		{"application/json", `{"email":"ann","password":"12345"}`, email + "," + short},
		{"application/json", `{"email":"Ann <a@example.com>","password":"secret"}`, email},
		{"application/json", `{"email":"a@example.com"}`, noSecret},
		{"application/json", `{"email":"a@example.com","password":""}`, short},
	} {
		header := http.Header{}
		if test.contentType != "" {
			header.Set("Content-Type", test.contentType)
		}
		got := f.sendWith(t, "POST", "/login", header, strings.NewReader(test.body))
		got.expect(t, 422, `{"detail":[`+test.want+`],"request_id":"r-1"}`)
	}
	if *f.comparisons != 0 {
		t.Errorf("bcrypt ran %d times", *f.comparisons)
	}
	if slices.ContainsFunc(f.logins.results, func(result string) bool { return result != LoginInvalid }) {
		t.Errorf("logins = %v", f.logins.results)
	}
}

func TestLoginBodySize(t *testing.T) {
	f := newEndpointServer(t, authtest.OpenSQLite(t), nil)
	body := func(size int) string {
		const head, tail = `{"email":"a@example.com","password":"`, `"}`
		return head + strings.Repeat("x", size-len(head)-len(tail)) + tail
	}
	f.send(t, "POST", "/login", "", body(maxBodyBytes)).expectDetail(t, 401, "Incorrect email or password")
	f.send(t, "POST", "/login", "", body(maxBodyBytes+1)).expectDetail(t, 413, "Request body is too large.")
	// Without a length, the bytes are counted.
	chunked := struct{ *strings.Reader }{strings.NewReader(body(maxBodyBytes + 1))}
	f.sendWith(t, "POST", "/login", http.Header{}, chunked).expectDetail(t, 413, "Request body is too large.")
}

// readOnly is a store during a failover.
type readOnly struct {
	store.Store
	err error
}

func (s readOnly) RecordLogin(context.Context, uuid.UUID, time.Time) error { return s.err }

func TestLoginNotRecorded(t *testing.T) {
	users := authtest.OpenSQLite(t)
	authtest.AddUser(t, users, store.User{Email: "ann@example.com", Active: true, HashedPassword: hashOfCorrectHorse})
	const body = `{"email":"ann@example.com","password":"correct horse"}`

	f := newEndpointServer(t, users, func(options *Options) {
		options.Store = readOnly{users, errors.New("read-only transaction")}
	})
	if got := f.send(t, "POST", "/login", "", body); got.status != 200 {
		t.Errorf("read-only: %d %s", got.status, got.body)
	}
	if log := f.log.String(); !strings.Contains(log, "read-only transaction") ||
		strings.Contains(log, "correct horse") || strings.Contains(log, "eyJ") {
		t.Errorf("log: %s", log)
	}

	f = newEndpointServer(t, users, func(options *Options) { options.Store = readOnly{users, store.ErrNotFound} })
	f.send(t, "POST", "/login", "", body).expectDetail(t, 401, "Incorrect email or password")
}

// FuzzLoginBody requires that every body gets an answer that front ends know.
func FuzzLoginBody(f *testing.F) {
	users := authtest.OpenSQLite(f)
	authtest.AddUser(f, users, store.User{Email: "ann@example.com", Active: true, HashedPassword: hashOfCorrectHorse})
	server := newEndpointServer(f, users, nil)
	for _, seed := range []string{
		"", "null", "{}", "[]", `{"email":"ann@example.com","password":"correct horse"}`, `{"email":"a@b.c","password":"\ud800123456"}`,
		`{"email":"x@example.com","password":"correct horse"}`, `{"a":{"a":{}},"email":1}`, "{\"\xff\":1}", strings.Repeat("{\"a\":", 12_000),
		strings.Repeat(" ", maxBodyBytes+1),
	} {
		f.Add("application/json", seed)
	}
	f.Fuzz(func(t *testing.T, contentType, body string) {
		// Not through the network, because a fuzzer sends headers that no
		// client can send.
		got := httptest.NewRecorder()
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/users/login", strings.NewReader(body))
		request.Header.Set("Content-Type", contentType)
		server.Config.Handler.ServeHTTP(got, request)
		<-server.decisions
		if !slices.Contains([]int{200, 401, 413, 422, 429}, got.Code) {
			t.Errorf("%q: %d %s", body, got.Code, got.Body)
		}
	})
}
