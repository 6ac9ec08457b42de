// Which public keys does Keyward publish?
package main

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v3"
)

var (
	keys      jose.JSONWebKeySet
	keysLock  sync.Mutex
	askedAt   time.Time
	fetchedAt time.Time
)

// key is the one of that name. They are fetched every 5 minutes; for an unknown name at most every 30 s.
func key(kid string) (jose.JSONWebKey, error) {
	keysLock.Lock()
	defer keysLock.Unlock()
	isKnown, age := len(keys.Key(kid)) > 0, time.Since(askedAt)
	if len(keys.Keys) == 0 || age > 5*time.Minute || (!isKnown && age > 30*time.Second) {
		askedAt = time.Now()
		if found, err := fetchKeys(); err == nil {
			keys, fetchedAt = found, time.Now() // else the last good ones stay, for an hour
		}
	}
	if time.Since(fetchedAt) > time.Hour {
		return jose.JSONWebKey{}, unknown
	}
	if found := keys.Key(kid); len(found) == 1 {
		return found[0], nil
	}
	return jose.JSONWebKey{}, refused{401, "invalid_token"}
}

func fetchKeys() (set jose.JSONWebKeySet, err error) {
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Second)
	defer stop()
	body, err := ask(ctx, "GET", "/.well-known/jwks.json", "", nil)
	if err != nil {
		return set, err
	}
	defer body.Close()
	if err = json.NewDecoder(body).Decode(&set); err == nil && len(set.Keys) == 0 {
		err = unknown
	}
	return set, err
}
