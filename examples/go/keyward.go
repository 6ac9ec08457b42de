// Who asks? `signedIn` wraps a handler, which is given the claims of a good access token.
package main

import (
	"encoding/json"
	"net/http"
	"strings"
)

type refused struct {
	status int
	code   string
}

func (r refused) Error() string { return r.code }

func signedIn(next func(http.ResponseWriter, *http.Request, Claims)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if c, err := authenticate(r.Header.Get("Authorization")); err != nil {
			refuse(w, err.(refused))
		} else {
			next(w, r, c)
		}
	}
}

func authenticate(authorization string) (Claims, error) {
	scheme, token, _ := strings.Cut(authorization, " ")
	if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "bearer") || token == "" {
		return Claims{}, refused{401, "missing_token"}
	}
	c, kid, err := verify(token)
	if err != nil {
		return c, err
	}
	isFresh := isFresh() // before it is asked what is revoked, lest the feed come to life in between
	if code := cutOff(c, kid); code != "" {
		return c, refused{401, code}
	}
	if isFresh {
		return c, nil
	}
	return c, introspect(token)
}

func refuse(w http.ResponseWriter, r refused) {
	if r.status == 401 {
		challenge := map[bool]string{true: "Bearer", false: `Bearer error="invalid_token"`}
		w.Header().Set("WWW-Authenticate", challenge[r.code == "missing_token"])
	}
	w.Header().Set("X-Keyward-Error", r.code)
	answer(w, "application/problem+json", r.status, map[string]any{
		"type": "urn:keyward:problem:" + r.code, "title": r.code, "status": r.status, "code": r.code})
}

func answer(w http.ResponseWriter, kind string, status int, body map[string]any) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}
