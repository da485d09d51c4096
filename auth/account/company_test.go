package account

import (
	"net/http"
	"testing"

	"github.com/google/uuid"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/config"
	"gatehouse/store"
)

// TestEnsureCompany tests who may join which company, by the requested company,
// the user's company and the configuration.
func TestEnsureCompany(t *testing.T) {
	authtest.EachStore(t, func(t *testing.T, users store.Store) {
		initech := uuid.MustParse("22222222-3333-4444-8555-666666666666")
		naming := func(id uuid.UUID) string { return `{"company_id":"` + id.String() + `"}` }
		const (
			updated   = "Company association successfully updated to "
			confirmed = "Company association confirmed as "
			noTarget  = "Cannot associate company: No company ID provided and no default is configured for the gateway."
			notJoined = "Company cannot be joined."
		)
		for name, test := range map[string]struct {
			has      *uuid.UUID
			body     string
			fallback *uuid.UUID
			listed   []uuid.UUID
			join     config.Join
			want     *uuid.UUID // nil for a refusal
			status   int
			message  string // without the id
		}{
			"default for a newcomer":      {fallback: &authtest.Acme, want: &authtest.Acme, message: updated},
			"default, empty object":       {body: `{}`, fallback: &authtest.Acme, want: &authtest.Acme, message: updated},
			"default, null":               {body: `{"company_id":null}`, fallback: &authtest.Acme, want: &authtest.Acme, message: updated},
			"default, null body":          {body: `null`, fallback: &authtest.Acme, want: &authtest.Acme, message: updated},
			"default by name":             {body: naming(authtest.Acme), fallback: &authtest.Acme, want: &authtest.Acme, message: updated},
			"default by name, for member": {has: &authtest.Globex, body: naming(authtest.Acme), fallback: &authtest.Acme, want: &authtest.Acme, message: updated},
			"own before default":          {has: &authtest.Globex, fallback: &authtest.Acme, want: &authtest.Globex, message: confirmed},
			"own by name":                 {has: &authtest.Globex, body: naming(authtest.Globex), want: &authtest.Globex, message: confirmed},
			"own without a default":       {has: &authtest.Globex, want: &authtest.Globex, message: confirmed},
			"listed":                      {body: naming(authtest.Globex), listed: []uuid.UUID{authtest.Acme, authtest.Globex}, want: &authtest.Globex, message: updated},
			"listed, for a member":        {has: &authtest.Acme, body: naming(authtest.Globex), listed: []uuid.UUID{authtest.Globex}, want: &authtest.Globex, message: updated},
			"any":                         {has: &authtest.Acme, body: naming(initech), join: config.JoinAny, want: &initech, message: updated},
			"nothing to join":             {status: 400, message: noTarget},
			"nothing to join, though listed": {
				listed: []uuid.UUID{authtest.Acme}, status: 400, message: noTarget,
			},
			"nothing to join, though any": {join: config.JoinAny, status: 400, message: noTarget},
			"not listed":                  {body: naming(initech), fallback: &authtest.Acme, listed: []uuid.UUID{authtest.Globex}, status: 403, message: notJoined},
			"not listed, for a member":    {has: &authtest.Acme, body: naming(initech), listed: []uuid.UUID{authtest.Globex}, status: 403, message: notJoined},
			"nobody listed any":           {body: naming(initech), join: config.Join(""), status: 403, message: notJoined},
			"no company at all":           {body: naming(uuid.Nil), fallback: &authtest.Acme, status: 403, message: notJoined},
		} {
			t.Run(name, func(t *testing.T) {
				f := newEndpointServer(t, users, func(options *Options) {
					options.DefaultCompanyID, options.Companies, options.Join = test.fallback, test.listed, test.join
				})
				user := authtest.AddUser(t, users, store.User{Email: uuid.NewString() + "@example.com", Active: true, CompanyID: test.has, Role: "editor"})
				got := f.send(t, "POST", "/me/ensure-company", f.tokenOf(t, user), test.body)

				row, err := users.UserByID(t.Context(), user.ID)
				if err != nil {
					t.Fatal(err)
				}
				if test.want == nil {
					got.expectDetail(t, test.status, test.message)
					if !sameCompany(row.CompanyID, test.has) {
						t.Errorf("company = %v after a refusal", row.CompanyID)
					}
					return
				}
				token := got.field(t, "new_access_token")
				got.expect(t, 200, `{"user_id":"`+user.ID.String()+`","company_id":"`+test.want.String()+`",`+
					`"message":"`+test.message+test.want.String()+`.","new_access_token":"`+token+`","token_type":"bearer"}`)
				if !sameCompany(row.CompanyID, test.want) || row.Role != "editor" {
					t.Errorf("row = %+v", row)
				}
				header := http.Header{"Authorization": {"Bearer " + token}}
				who, refusal := f.gate.Decide(t.Context(), header, auth.Rule{Policy: config.PolicyStrict})
				if refusal != nil || who.CompanyID != test.want.String() {
					t.Errorf("the new token: %+v, %v", who, refusal)
				}
			})
		}
	})
}

func sameCompany(a, b *uuid.UUID) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

func TestEnsureCompanyInvalid(t *testing.T) {
	users := authtest.OpenSQLite(t)
	f := newEndpointServer(t, users, func(options *Options) { options.Join = config.JoinAny })
	token := f.tokenOf(t, authtest.AddUser(t, users, store.User{Email: "ann@example.com", Active: true}))
	for body, want := range map[string]string{
		`{"company_id":"acme"}`: `{"type":"value_error","loc":["body","company_id"],"msg":"value is not a valid UUID"}`,
		`{"company_id":""}`:     `{"type":"value_error","loc":["body","company_id"],"msg":"value is not a valid UUID"}`,
		`{"company_id":7}`:      `{"type":"string_type","loc":["body","company_id"],"msg":"Input should be a valid string"}`,
		`[]`:                    `{"type":"model_attributes_type","loc":["body"],"msg":"Input should be a valid dictionary or object to extract fields from"}`,
		`{"company_id":`:        `{"type":"json_invalid","loc":["body",14],"msg":"JSON decode error"}`,
	} {
		f.send(t, "POST", "/me/ensure-company", token, body).expect(t, 422, `{"detail":[`+want+`],"request_id":"r-1"}`)
	}
}

// The same user again: after the move, the old token is refused, and the new
// one confirms the company.
func TestEnsureCompanyTwice(t *testing.T) {
	users := authtest.OpenSQLite(t)
	f := newEndpointServer(t, users, func(options *Options) { options.Companies = []uuid.UUID{authtest.Globex} })
	old := f.tokenOf(t, authtest.AddUser(t, users, store.User{Email: "ann@example.com", Active: true, CompanyID: &authtest.Acme}))
	body := `{"company_id":"` + authtest.Globex.String() + `"}`
	fresh := f.send(t, "POST", "/me/ensure-company", old, body).field(t, "new_access_token")
	f.send(t, "POST", "/me/ensure-company", old, body).
		expectDetail(t, 403, "The company in the token is no longer the user's company.")
	confirmed := f.send(t, "POST", "/me/ensure-company", fresh, "")
	if got, want := confirmed.field(t, "message"), "Company association confirmed as "+authtest.Globex.String()+"."; got != want {
		t.Errorf("message = %q, want %q", got, want)
	}
}
