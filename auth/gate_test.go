package auth

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"gatehouse/auth/authtest"
	"gatehouse/auth/keys/keystest"
	"gatehouse/config"
	"gatehouse/internal/httperr"
	"gatehouse/store"
)

// answer is what a client sees of a decision; the zero answer means pass.
type answer struct {
	status    int
	detail    string
	challenge string
}

var (
	passes = answer{}

	ambiguous = answer{400, "More than one Authorization header.", ""}
	noToken   = answer{401, "Not authenticated", "Bearer"}
	malformed = invalid("Token validation failed: malformed token.")
	forged    = invalid("Token validation failed: signature is invalid.")
	algorithm = invalid("Token validation failed: algorithm is not accepted.")
	noExpiry  = invalid("Token validation failed: 'exp' claim is missing or invalid.")
	notYet    = invalid("Token validation failed: token is not valid yet.")
	wrongType = invalid("Token validation failed: a claim has the wrong type.")
	expired   = answer{401, "Token has expired.", `Bearer error="invalid_token", error_description="The token has expired"`}
	noSubject = invalid("Token missing 'sub' (user ID) claim.")
	badUser   = invalid("Invalid user ID format in token.")
	down      = answer{503, "The user database cannot be reached.", ""}
	unknown   = invalid("User associated with token not found.")
	inactive  = invalid("User associated with token is inactive.")
	revoked   = invalid("Token has been revoked.")
	badFirm   = invalid("Invalid company ID format in token.")
	moved     = insufficient("The company in the token is no longer the user's company.")
	noFirm    = insufficient("User authenticated, but required company association is missing or invalid in token.")
	noRole    = insufficient("The user's role does not allow this.")
)

func invalid(detail string) answer { return answer{401, detail, `Bearer error="invalid_token"`} }
func insufficient(detail string) answer {
	return answer{403, detail, `Bearer error="insufficient_scope"`}
}

// answerOf returns the answer that a refusal writes.
func answerOf(t testing.TB, refusal *httperr.Error) answer {
	t.Helper()
	if refusal == nil {
		return passes
	}
	recorder := httptest.NewRecorder()
	refusal.WriteTo(recorder)
	if got := recorder.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type = %q", got)
	}
	return answer{recorder.Code, detailOf(t, recorder.Body.Bytes()), recorder.Header().Get("WWW-Authenticate")}
}

// TestDecide tests the truth table of the package documentation, with and
// without built-in users.
func TestDecide(t *testing.T) {
	users, gone := authtest.OpenSQLite(t), authtest.OpenSQLite(t)
	gone.Close()
	member := authtest.AddUser(t, users, store.User{Email: "member@example.com", Active: true, CompanyID: &authtest.Acme}).ID.String()
	newcomer := authtest.AddUser(t, users, store.User{Email: "newcomer@example.com", Active: true}).ID.String()
	retired := authtest.AddUser(t, users, store.User{Email: "retired@example.com", CompanyID: &authtest.Acme}).ID.String()
	nobody := uuid.NewString()
	// In the middle of a second.
	voidAt := authtest.Noon.Add(-time.Minute + 300*time.Millisecond)
	loggedOut := authtest.AddUser(t, users, store.User{Email: "out@example.com", Active: true, CompanyID: &authtest.Acme, TokensValidAfter: &voidAt}).ID.String()

	tokens := NewVerifier(keystest.NewRing(t, authtest.Secret), nil, authtest.AtNoon)
	withUsers := NewGate(tokens, StoredUsers{Store: users})
	withoutStore := NewGate(tokens, StoredUsers{Store: gone})
	off := NewGate(tokens, nil)

	bearer := func(changes jwt.MapClaims) []string {
		return []string{"Bearer " + authtest.Signed(t, authtest.Claims(changes))}
	}
	of := func(user string) jwt.MapClaims { return jwt.MapClaims{"sub": user} }
	with := func(user, claim string, value any) jwt.MapClaims { return jwt.MapClaims{"sub": user, claim: value} }
	forgedToken := authtest.SignedWith(t, jwt.SigningMethodHS256, []byte("a secret of somebody else, long enough"), authtest.Claims(of(member)), nil)
	otherAlgorithm := authtest.SignedWith(t, jwt.SigningMethodHS512, []byte(authtest.Secret), authtest.Claims(of(member)), nil)
	admin := []string{"admin"}

	rows := []struct {
		request         string
		gate            *Gate // withUsers when nil
		authorization   []string
		roles           []string
		none            answer // the zero answer is: passes
		initial, strict answer // with users
		offI, offS      answer // with `users: off`
	}{
		{request: "two Authorization headers", authorization: append(bearer(of(member)), bearer(of(member))...), none: ambiguous, initial: ambiguous, strict: ambiguous, offI: ambiguous, offS: ambiguous},
		{request: "no Authorization", authorization: nil, initial: noToken, strict: noToken, offI: noToken, offS: noToken},
		{request: "not Bearer", authorization: []string{"Basic YTpi"}, initial: noToken, strict: noToken, offI: noToken, offS: noToken},
		{request: "token malformed", authorization: []string{"Bearer abc.def"}, initial: malformed, strict: malformed, offI: malformed, offS: malformed},
		{request: "token forged", authorization: []string{"Bearer " + forgedToken}, initial: forged, strict: forged, offI: forged, offS: forged},
		{request: "token of another algorithm", authorization: []string{"Bearer " + otherAlgorithm}, initial: algorithm, strict: algorithm, offI: algorithm, offS: algorithm},
		{request: "token without exp", authorization: bearer(with(member, "exp", nil)), initial: noExpiry, strict: noExpiry, offI: noExpiry, offS: noExpiry},
		{request: "nbf ahead", authorization: bearer(with(member, "nbf", authtest.Noon.Unix()+31)), initial: notYet, strict: notYet, offI: notYet, offS: notYet},
		{request: "iat ahead", authorization: bearer(with(member, "iat", authtest.Noon.Unix()+31)), initial: notYet, strict: notYet, offI: notYet, offS: notYet},
		{request: "token expired", authorization: bearer(with(member, "exp", authtest.Noon.Unix())), initial: expired, strict: expired, offI: expired, offS: expired},
		{request: "no sub", authorization: bearer(of("")), initial: noSubject, strict: noSubject, offI: noSubject, offS: noSubject},
		{request: "sub not a UUID (u)", authorization: bearer(of("ann")), initial: badUser, strict: badUser, offI: passes, offS: passes},
		{request: "users cannot be asked (u)", gate: withoutStore, authorization: bearer(of(member)), initial: down, strict: down, offI: passes, offS: passes},
		{request: "user unknown (u)", authorization: bearer(of(nobody)), initial: unknown, strict: unknown, offI: passes, offS: passes},
		{request: "user inactive (u)", authorization: bearer(of(retired)), initial: inactive, strict: inactive, offI: passes, offS: passes},
		{request: "issued before tokens were made void (u)", authorization: bearer(of(loggedOut)), initial: revoked, strict: revoked, offI: passes, offS: passes},
		{request: "issued in the same second (u)", authorization: bearer(with(loggedOut, "iat", voidAt.Unix())), initial: revoked, strict: revoked, offI: passes, offS: passes},
		{request: "issued in the same second, by its fraction after (u)", authorization: bearer(with(loggedOut, "iat", float64(voidAt.Unix())+.9)), initial: revoked, strict: revoked, offI: passes, offS: passes},
		{request: "issued nobody knows when (u)", authorization: bearer(with(loggedOut, "iat", nil)), initial: revoked, strict: revoked, offI: passes, offS: passes},
		{request: "issued in the next second", authorization: bearer(with(loggedOut, "iat", voidAt.Unix()+1)), initial: passes, strict: passes, offI: passes, offS: passes},
		{request: "issued nobody knows when, none made void", authorization: bearer(with(member, "iat", nil)), initial: passes, strict: passes, offI: passes, offS: passes},
		{request: "company_id not a UUID (u)", authorization: bearer(with(member, "company_id", "acme")), initial: badFirm, strict: badFirm, offI: passes, offS: passes},
		{request: "company_id is another's (u)", authorization: bearer(with(member, "company_id", authtest.Globex.String())), initial: moved, strict: moved, offI: passes, offS: passes},
		{request: "company_id is the user's no longer (u)", authorization: bearer(of(newcomer)), initial: moved, strict: moved, offI: passes, offS: passes},
		{request: "no company_id", authorization: bearer(with(newcomer, "company_id", nil)), initial: passes, strict: noFirm, offI: passes, offS: noFirm},
		{request: "no company_id since the user got one", authorization: bearer(with(member, "company_id", nil)), initial: passes, strict: noFirm, offI: passes, offS: noFirm},
		{request: "role not among the route's", authorization: bearer(of(member)), roles: admin, initial: noRole, strict: noRole, offI: noRole, offS: noRole},
		{request: "role claimed, not the user's", authorization: bearer(with(member, "role", "admin")), roles: admin, initial: noRole, strict: noRole, offI: passes, offS: passes},
		{request: "anything else", authorization: bearer(of(member)), initial: passes, strict: passes, offI: passes, offS: passes},
		{request: "anything else, with a role", authorization: bearer(with(member, "role", "user")), roles: []string{"admin", "user"}, initial: passes, strict: passes, offI: passes, offS: passes},
	}
	for _, row := range rows {
		t.Run(row.request, func(t *testing.T) {
			header := http.Header{}
			if row.authorization != nil {
				header["Authorization"] = row.authorization
			}
			if row.gate == nil {
				row.gate = withUsers
			}
			for _, cell := range []struct {
				users  string
				gate   *Gate
				policy config.Policy
				want   answer
			}{
				{"on", row.gate, config.PolicyNone, row.none},
				{"on", row.gate, config.PolicyInitial, row.initial},
				{"on", row.gate, config.PolicyStrict, row.strict},
				{"off", off, config.PolicyNone, row.none},
				{"off", off, config.PolicyInitial, row.offI},
				{"off", off, config.PolicyStrict, row.offS},
			} {
				identity, refusal := cell.gate.Decide(t.Context(), header, Rule{Policy: cell.policy, Roles: row.roles})
				if got := answerOf(t, refusal); got != cell.want {
					t.Errorf("users %s, %s: got %+v, want %+v", cell.users, cell.policy, got, cell.want)
				}
				if refusal == nil && (identity == nil) != (cell.policy == config.PolicyNone) {
					t.Errorf("users %s, %s: identity %+v", cell.users, cell.policy, identity)
				}
				if refusal != nil && refusal.AuthResult == "" {
					t.Errorf("users %s, %s: refusal without a result", cell.users, cell.policy)
				}
			}
		})
	}
}

// An unknown policy must not be treated as the weakest one.
func TestDecideUnknownPolicy(t *testing.T) {
	gate := NewGate(NewVerifier(keystest.NewRing(t, authtest.Secret), nil, authtest.AtNoon), nil)
	header := http.Header{"Authorization": {"Bearer " + authtest.Signed(t, authtest.Claims(nil))}}
	for _, policy := range []config.Policy{"", "None", "stricter"} {
		if _, refusal := gate.Decide(t.Context(), header, Rule{Policy: policy}); refusal == nil || refusal.Status != 503 {
			t.Errorf("policy %q: got %+v, want a 503", policy, refusal)
		}
	}
}

// Backends get the canonical spelling of each id, and the user's current role.
func TestDecideIdentity(t *testing.T) {
	users := authtest.OpenSQLite(t)
	id := uuid.MustParse("AAAAAAAA-bbbb-4ccc-8ddd-EEEEEEEEEEEE")
	authtest.AddUser(t, users, store.User{ID: id, Email: "ann@example.com", Active: true, CompanyID: &authtest.Acme, Role: "admin"})
	gate := NewGate(NewVerifier(keystest.NewRing(t, authtest.Secret), nil, authtest.AtNoon), StoredUsers{Store: users})
	header := http.Header{"Authorization": {"Bearer " + authtest.Signed(t, authtest.Claims(jwt.MapClaims{
		"sub":        "AAAAAAAABBBB4CCC8DDDEEEEEEEEEEEE",
		"company_id": "9B8F7E6D-5C4B-4A39-8877-665544332222",
		"role":       "user",
	}))}}
	got, refusal := gate.Decide(t.Context(), header, Rule{Policy: config.PolicyStrict, Roles: []string{"admin"}})
	if refusal != nil {
		t.Fatal(refusal)
	}
	if got.UserID != id.String() || got.UserUUID() != id || got.CompanyID != authtest.Acme.String() || got.Role != "admin" {
		t.Errorf("got %+v", got)
	}
}

// A user who is moved, disabled or deleted is refused with the next request,
// although the token has not changed.
func TestDecideRevocation(t *testing.T) {
	authtest.EachStore(t, func(t *testing.T, users store.Store) {
		ring := keystest.NewRing(t, authtest.Secret)
		gate := NewGate(NewVerifier(ring, nil, authtest.AtNoon), StoredUsers{Store: users})
		user := authtest.AddUser(t, users, store.User{Email: "ann@example.com", Active: true, CompanyID: &authtest.Acme})
		token, err := NewSigner(ring, time.Hour, authtest.AtNoon).Token(user.ID, user.Email, user.CompanyID)
		if err != nil {
			t.Fatal(err)
		}
		header := http.Header{"Authorization": {"Bearer " + token}}
		expect := func(when string, want answer) {
			t.Helper()
			if _, refusal := gate.Decide(t.Context(), header, Rule{Policy: config.PolicyStrict}); answerOf(t, refusal) != want {
				t.Errorf("%s: got %+v, want %+v", when, answerOf(t, refusal), want)
			}
		}
		change := func(change store.Change) {
			t.Helper()
			if _, err := users.UpdateUser(t.Context(), user.ID, change); err != nil {
				t.Fatal(err)
			}
		}
		home, away, yes, no := &authtest.Acme, &authtest.Globex, true, false
		expect("at first", passes)
		change(store.Change{CompanyID: &away})
		expect("moved", moved)
		change(store.Change{CompanyID: &home})
		expect("moved back", passes)
		change(store.Change{Active: &no})
		expect("disabled", inactive)
		change(store.Change{Active: &yes})
		expect("enabled", passes)
		change(store.Change{RevokeTokens: true})
		expect("logged out everywhere", revoked)
		row, err := users.UserByID(t.Context(), user.ID)
		if err != nil {
			t.Fatal(err)
		}
		old := header
		if token, err = NewSigner(ring, time.Hour, authtest.AtNoon).TokenFor(row, authtest.Noon); err != nil {
			t.Fatal(err)
		}
		header = http.Header{"Authorization": {"Bearer " + token}}
		expect("logged in again in the same second", passes)
		hash := "new"
		change(store.Change{HashedPassword: &hash})
		expect("another password in the same second", revoked)
		header = old
		if err := users.DeleteUser(t.Context(), user.ID); err != nil {
			t.Fatal(err)
		}
		expect("deleted", unknown)
	})
}
