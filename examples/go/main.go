// A service beside Keyward. Everybody sees who they are; who may, posts a job.
package main

import (
	"fmt"
	"net"
	"net/http"
)

func me(w http.ResponseWriter, _ *http.Request, c Claims) {
	answer(w, "application/json", 200, map[string]any{"user_id": c.Subject, "roles": c.Roles})
}

func postJob(w http.ResponseWriter, _ *http.Request, c Claims) {
	for _, permission := range c.Permissions {
		if permission == "jobs:write" {
			answer(w, "application/json", 201, map[string]any{"by": c.Subject})
			return
		}
	}
	refuse(w, refused{403, "forbidden"})
}

func main() {
	if issuer == "" {
		panic("KEYWARD_ISSUER is not set")
	}
	go listen()
	http.HandleFunc("/me", signedIn(me))
	http.HandleFunc("/jobs", signedIn(postJob))
	listener, err := net.Listen("tcp", "127.0.0.1:"+env("PORT", "3000"))
	if err != nil {
		panic(err)
	}
	fmt.Printf("Listens on http://%s\n", listener.Addr())
	panic(http.Serve(listener, nil))
}
