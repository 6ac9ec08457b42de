// Where is Keyward asked, and how?
package main

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

var (
	issuer   = os.Getenv("KEYWARD_ISSUER")
	server   = env("KEYWARD_URL", issuer)
	audience = env("KEYWARD_AUDIENCE", "keyward")
	unknown  = refused{503, "store_unavailable"}
	web      = http.Client{Transport: &http.Transport{Proxy: proxy}, CheckRedirect: stay}
)

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// proxy is none without TLS: it would see the service key, and could make keys.
func proxy(request *http.Request) (*url.URL, error) {
	if request.URL.Scheme == "http" {
		return nil, nil
	}
	return http.ProxyFromEnvironment(request)
}

// ask gives the body of a good answer.
func ask(ctx context.Context, method, path, body string, headers map[string]string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, method, server+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("KEYWARD_SERVICE_KEY"))
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	answer, err := web.Do(request)
	if err == nil && answer.StatusCode != 200 {
		answer.Body.Close()
		return nil, refused{answer.StatusCode, answer.Status}
	} else if err != nil {
		return nil, err
	}
	return answer.Body, nil
}
