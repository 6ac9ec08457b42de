// Which public keys does Keyward publish, and did one of them sign this?
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"
)

var (
	errNoKeys = errors.New("the keys can't be fetched")
	web       = &http.Client{Timeout: 5 * time.Second, CheckRedirect: stay, Transport: direct()}
	keys      map[string]jwk
	keysLock  sync.Mutex
	askedAt   time.Time
	fetchedAt time.Time
)

// direct asks no proxy of the environment without TLS: it would see the service key, and could make keys.
func direct() http.RoundTripper {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if strings.HasPrefix(server, "http:") {
		transport.Proxy = nil
	}
	return transport
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

type jwk struct{ Kid, Kty, Alg, Crv, N, E, X, Y string }

// key is the one of that name. They are fetched every 5 minutes; for an unknown name at most every 30 s.
func key(kid string) (jwk, error) {
	keysLock.Lock()
	defer keysLock.Unlock()
	_, known := keys[kid]
	if age := time.Since(askedAt); keys == nil || age > 5*time.Minute || (!known && age > 30*time.Second) {
		askedAt = time.Now()
		var set struct{ Keys []jwk }
		if answer, err := web.Get(server + "/.well-known/jwks.json"); err == nil {
			text, _ := io.ReadAll(io.LimitReader(answer.Body, 65536))
			answer.Body.Close()
			if answer.StatusCode == 200 && json.Unmarshal(text, &set) == nil && len(set.Keys) > 0 {
				keys, fetchedAt = map[string]jwk{}, time.Now() // else the last good ones stay, for an hour
				for _, k := range set.Keys {
					keys[k.Kid] = k
				}
			}
		}
	}
	if keys == nil || time.Since(fetchedAt) > time.Hour {
		return jwk{}, errNoKeys
	}
	if found, known := keys[kid]; known {
		return found, nil
	}
	return jwk{}, errors.New("unknown key")
}

// verifies whether the key signed the message, by the one algorithm that it is for.
func (k jwk) verifies(message, signature []byte) bool {
	number := func(text string) *big.Int { b, _ := decode(text); return new(big.Int).SetBytes(b) }
	digest := sha256.Sum256(message)
	switch k.Alg + k.Kty + k.Crv {
	case "RS256RSA":
		public := &rsa.PublicKey{N: number(k.N), E: int(number(k.E).Int64())}
		return public.N.BitLen() >= 2048 && rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
	case "ES256ECP-256":
		public := &ecdsa.PublicKey{Curve: elliptic.P256(), X: number(k.X), Y: number(k.Y)}
		if len(signature) != 64 || !public.Curve.IsOnCurve(public.X, public.Y) {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return ecdsa.Verify(public, digest[:], r, s)
	case "EdDSAOKPEd25519":
		x, err := decode(k.X)
		return err == nil && len(x) == ed25519.PublicKeySize && ed25519.Verify(x, message, signature)
	}
	return false
}
