# What differs from examples/nginx/keyward.conf where nginx, Keyward and the application are services
# of compose.yaml.

# Both nodes. A node that can't know refuses with 503: the other one is asked then, but for a POST, of
# which nobody knows that nothing was written. Whoever sent that asks again, and a node that refused is
# left out for a while. One that is gone altogether does not say so: two seconds are enough to wait.
s/server 127\.0\.0\.1:8080;/server keyward-1:8080; server keyward-2:8080;/
s/server 127\.0\.0\.1:9000;/server application:9000;/
s/listen 127\.0\.0\.1:8000;/listen 8000; proxy_connect_timeout 2s; proxy_next_upstream error timeout http_503; proxy_next_upstream_tries 2;/
