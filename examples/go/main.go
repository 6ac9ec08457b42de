// A service beside Keyward, of the standard library alone. Everybody sees who they are; who may, posts a job.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
)

var (
	issuer     = os.Getenv("KEYWARD_ISSUER")
	server     = or(os.Getenv("KEYWARD_URL"), issuer)
	audience   = or(os.Getenv("KEYWARD_AUDIENCE"), "keyward")
	serviceKey = os.Getenv("KEYWARD_SERVICE_KEY")
)

func or(text, otherwise string) string {
	if text != "" {
		return text
	}
	return otherwise
}

type auth struct{}

// signedIn lets nobody through without a good access token. Its claims are in the context of the request.
func signedIn(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, status, code := authenticate(r.Header.Get("Authorization"))
		if code != "" {
			refuse(w, status, code)
			return
		}
		next(w, r.WithContext(context.WithValue(r.Context(), auth{}, c)))
	}
}

func authenticate(authorization string) (claims, int, string) {
	scheme, token, _ := strings.Cut(authorization, " ")
	if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "bearer") || token == "" {
		return claims{}, 401, "missing_token"
	}
	c, kid, err := verify(token)
	switch {
	case err == errNoKeys:
		return c, 503, "store_unavailable"
	case err == errExpired:
		return c, 401, "token_expired"
	case err != nil:
		return c, 401, "invalid_token"
	}
	fresh := isFresh() // before it is asked what is revoked, lest the feed come to life in between
	if code := cutOff(c, kid); code != "" {
		return c, 401, code
	}
	if !fresh {
		if active, err := isActive(token); err != nil {
			return c, 503, "store_unavailable"
		} else if !active {
			return c, 401, "invalid_token"
		}
	}
	return c, 200, ""
}

func refuse(w http.ResponseWriter, status int, code string) {
	if status == 401 {
		challenge := map[bool]string{true: "Bearer", false: `Bearer error="invalid_token"`}[code == "missing_token"]
		w.Header().Set("WWW-Authenticate", challenge)
	}
	w.Header().Set("X-Keyward-Error", code)
	answer(w, "application/problem+json", status,
		map[string]any{"type": "urn:keyward:problem:" + code, "title": code, "status": status, "code": code})
}

func answer(w http.ResponseWriter, kind string, status int, body map[string]any) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

func main() {
	go listen()
	go forget()
	http.HandleFunc("/me", signedIn(func(w http.ResponseWriter, r *http.Request) {
		c := r.Context().Value(auth{}).(claims)
		answer(w, "application/json", 200, map[string]any{"user_id": c.Sub, "roles": c.Roles})
	}))
	http.HandleFunc("/jobs", signedIn(func(w http.ResponseWriter, r *http.Request) {
		c := r.Context().Value(auth{}).(claims)
		for _, permission := range c.Permissions {
			if permission == "jobs:write" {
				answer(w, "application/json", 201, map[string]any{"by": c.Sub})
				return
			}
		}
		refuse(w, 403, "forbidden")
	}))
	listener, err := net.Listen("tcp", "127.0.0.1:"+or(os.Getenv("PORT"), "3000"))
	if err != nil {
		panic(err)
	}
	fmt.Printf("Listens on http://%s\n", listener.Addr())
	panic(http.Serve(listener, nil))
}
