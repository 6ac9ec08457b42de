// Was a token revoked? The feed told it, or, while it is silent, Keyward is asked.
package main

import (
	"context"
	"encoding/json"
	"net/url"
	"sync"
	"time"
)

var (
	revoked = map[entry]entry{} // by what is cut off
	lock    sync.RWMutex
)

// cutOff is why this token is cut off: the code of the refusal, or "".
func cutOff(c Claims, kid string) string {
	lock.RLock()
	defer lock.RUnlock()
	has := func(what entry) bool { return !revoked[what].Until.IsZero() }
	switch {
	case has(entry{Kind: "key", Kid: kid}):
		return "token_stale"
	case has(entry{Kind: "session", Sid: c.Session}), has(entry{Kind: "generation", Sid: c.Session, Gen: *c.Generation}):
		return "session_revoked"
	case *c.User < revoked[entry{Kind: "user", Sub: c.Subject}].Uv, *c.RoleTable < revoked[entry{Kind: "roles"}].Rv:
		return "token_stale"
	}
	return ""
}

func isFresh() bool {
	at := heardAt.Load()
	return at != nil && time.Since(*at) <= 2*time.Second
}

// introspect is nil where the token is good, and a refusal also where nobody answers.
func introspect(token string) error {
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Second)
	defer stop()
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	body, err := ask(ctx, "POST", "/api/auth/introspect", url.Values{"token": {token}}.Encode(), form)
	if err != nil {
		return unknown
	}
	defer body.Close()
	var said struct{ Active *bool }
	if json.NewDecoder(body).Decode(&said) != nil || said.Active == nil {
		return unknown
	} else if !*said.Active {
		return refused{401, "invalid_token"}
	}
	return nil
}
