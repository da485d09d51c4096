package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"

	"gatehouse/auth"
	"gatehouse/auth/basic"
	"gatehouse/config"
	"gatehouse/internal/httperr"
)

// newRealm reads the users of a route with `basic`. It returns nil for other routes. With
// an error, the realm has no users, so it refuses everybody.
func (t *Table) newRealm(cfg *config.Route) (*basic.Realm, error) {
	if cfg.Basic.File == "" {
		return nil, nil
	}
	users, err := basic.Load(cmp.Or(cfg.Basic.Folder, filepath.Dir(t.config.File)), cfg.Basic.File)
	if err != nil {
		return basic.NewRealm(t.name, new(basic.Users)), fmt.Errorf("basic: %w", err)
	}
	return basic.NewRealm(t.name, users), nil
}

// errNoChecker is the cause of a refusal by a table that only answers questions.
var errNoChecker = errors.New("this table checks no passwords")

// checkPassword returns the refusal of a caller whose password the route does not
// accept. Its name is only for the log.
func (x *exchange) checkPassword(ctx context.Context, realm *basic.Realm, header http.Header) (refusal *httperr.Error) {
	if x.table.passwords == nil {
		return auth.StoreUnavailable.Because(errNoChecker)
	}
	x.basicUser, refusal = x.table.passwords.Decide(ctx, realm, header, x.caller.IP)
	return refusal
}

// decidePassword is checkPassword for a question. A decider may be a caller who sends no
// real password.
func decidePassword(realm *basic.Realm, header http.Header, decider auth.Decider) *httperr.Error {
	if simulated, ok := decider.(auth.BasicCaller); ok {
		return simulated.DecideBasic(realm.Simulated)
	}
	return realm.Answer(header)
}
